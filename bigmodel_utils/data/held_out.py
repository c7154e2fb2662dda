"""Which examples are held out: a hash decides, so that the rule is the same for everyone."""

import hashlib
import string

_IGNORED = (string.punctuation + string.whitespace).encode()


def is_held_out(text, parts=5):
    """Decide by the text alone; case, ASCII punctuation and spaces do not count.

    Args:
        text: str, an example or its name.
        parts: int; about one example in `parts` is held out.

    Returns:
        bool, True where the example is not to be trained on.
    """
    letters = text.lower().encode("utf-8").translate(None, _IGNORED)
    return int(hashlib.sha256(letters).hexdigest()[:8], 16) % parts == 0
