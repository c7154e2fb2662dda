"""The order in which chapters are run."""

# Processes that share the chapters finish together when each takes the longest that is left.
LONGEST_FIRST = [
    "two-stage-detection",
    "one-stage-detection",
    "convolutional-networks",
    "seq2seq",
    "speech-rnn-ctc",
    "speech-dnn",
    "word-embeddings",
    "speech-features",
]


def place(path):
    """Rank a notebook for sorting; one that is not named above comes first."""
    return LONGEST_FIRST.index(path.stem) if path.stem in LONGEST_FIRST else -1
