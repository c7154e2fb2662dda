"""Word vectors of two chapters beside gensim's Word2Vec: quality against CPU time, in one run.

Everything sees the same tokens, the same 10,000 words and the same word pairs; vectors have 100
dimensions. CPU seconds are those of the whole process on one thread: for counting they include the
table and its eigenvectors; for gensim building the vocabulary from given counts, and training.
Reading, splitting and numbering the text is charged to nobody.

gensim is trained as published, with its default rate, subsampling and five passes, and tuned.
Tuning is the same for gensim and for the chapter's sampler: each rate and threshold of TRIES is
trained for one pass, and the best one is kept for the longer runs. Of the word vectors w and the
sum w + v the better ones are taken. All these choices are made on the development half of the word
pairs, in the same run, and recorded (`--tune` makes only them). The results are correlations on the
test half, with 95 % intervals over redrawn pairs, and the differences from counting, paired.
"""

import argparse
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

import bigmodel_utils as bmu
from chapter import definitions
from record import value, write

NAMES = """tokenise encode covered_pairs judge redraw interval keep_probability noise_distribution
random_vectors train sparse_ppmi WINDOW NEGATIVES ETA THRESHOLD""".split()
WORDS, DIMENSIONS = 10_000, 100
PUBLISHED = (0.025, 1e-3)  # gensim's defaults: rate, threshold of subsampling
TRIES = [PUBLISHED, (0.05, 1e-4), (0.1, 1e-4), (0.2, 1e-4), (0.1, 1e-5)]
COUNTING = "{ref}`ch-word-embeddings`, PPMI and eigenvectors"


def read_corpus(chapter, gap):
    """Return the documents as known words, their numbers, the words and how often each occurs."""
    documents = chapter.tokenise(bmu.load_movie_reviews().texts)
    frequency = Counter(word for document in documents for word in document)
    words = [word for word, _ in frequency.most_common(WORDS)]
    index = {word: i for i, word in enumerate(words)}
    counts = np.array([frequency[word] for word in words], dtype="float64")
    known = [[word for word in document if word in index] for document in documents]
    ids = chapter.encode(documents, index, gap)
    return SimpleNamespace(documents=known, ids=ids, words=words, index=index, counts=counts)


def count(chapter, corpus):
    """PPMI and its eigenvectors of positive eigenvalue."""
    table = chapter.sparse_ppmi(corpus.ids, len(corpus.words), chapter.WINDOW)
    start = np.ones(len(corpus.words), dtype=table.dtype)
    values, vectors = eigsh(table, DIMENSIONS, v0=start, tol=1e-2)
    return {"": vectors[:, values > 0]}


def sample(chapter, corpus, eta, threshold, passes, seed):
    """The chapter's sampled network."""
    rng = np.random.default_rng(seed)
    tables = chapter.random_vectors(len(corpus.words), DIMENSIONS, rng)
    keep = chapter.keep_probability(corpus.counts, threshold)
    q = chapter.noise_distribution(corpus.counts)
    chapter.train(corpus.ids, *tables, keep, q, chapter.WINDOW, chapter.NEGATIVES, eta, passes, rng)
    return {"w": tables[0], "w + v": sum(tables)}


def gensim(chapter, corpus, eta, threshold, passes, seed):
    """gensim's compiled network."""
    from gensim.models import Word2Vec  # a rival that nothing but this function needs

    model = Word2Vec(
        vector_size=DIMENSIONS,
        window=chapter.WINDOW,
        negative=chapter.NEGATIVES,
        sg=1,
        alpha=eta,
        sample=threshold,
        workers=1,
        min_count=1,
        seed=seed,
    )
    frequency = dict(zip(corpus.words, corpus.counts.astype(int).tolist(), strict=True))
    model.build_vocab_from_freq(frequency, corpus_count=len(corpus.documents))
    model.train(corpus.documents, total_examples=len(corpus.documents), epochs=passes)
    rows = [model.wv.key_to_index[word] for word in corpus.words]
    return {"w": model.wv.vectors[rows], "w + v": (model.wv.vectors + model.syn1neg)[rows]}


def timed(run, *args):
    """Return what `run(*args)` returns, and its CPU seconds."""
    start = time.process_time()
    made = run(*args)
    return made, time.process_time() - start


def best(candidates, score):
    """The name of the candidate with the largest score; of equal ones the first."""
    return max(candidates, key=lambda name: score(candidates[name]))


def summarised(made, chapter, halves):
    """For each row: correlation on the test half, its redraws, CPU seconds.

    Args:
        made: dict from the name of a row to (dict of candidate vectors, CPU seconds).
        chapter: namespace with `judge` and `redraw`.
        halves: pair of the development and the test pairs.

    Returns:
        dict from the name of a row to a dict of `score`, `draws`, `seconds` and `vectors`, the name
        of the candidate that was better on the development half.
    """
    development, test = halves
    rows = {}
    for name, (candidates, seconds) in made.items():
        kind = best(candidates, lambda x: chapter.judge(x, development))
        vectors = candidates[kind]
        draws = chapter.redraw(vectors, test)
        rows[name] = dict(
            score=chapter.judge(vectors, test), draws=draws, seconds=seconds, vectors=kind
        )
        print(f"{name:55s} {kind:6s} {rows[name]['score']:.3f} {seconds:6.1f} s", flush=True)
    return rows


def recorded_rows(rows):
    """The table of results: correlation, how far counting is ahead, CPU seconds."""
    reference = rows[COUNTING]
    table = {}
    for name, row in rows.items():
        ends = np.quantile(row["draws"], [0.025, 0.975])
        table[name] = {"correlation": value(row["score"], ends)}
        if name != COUNTING:
            gap = np.quantile(reference["draws"] - row["draws"], [0.025, 0.975])
            table[name]["counting ahead by"] = value(reference["score"] - row["score"], gap)
        table[name]["CPU seconds"] = value(round(row["seconds"]), unit="s")
    return table


def tuned(run, chapter, corpus, development, seed):
    """The development score of each setting of TRIES after one pass; the better vectors of each."""
    scores = {}
    for setting in TRIES:
        made, seconds = timed(run, chapter, corpus, *setting, 1, seed)
        finite = [x for x in made.values() if np.isfinite(x).all()]
        scores[setting] = max((chapter.judge(x, development) for x in finite), default=-1.0)
        print(f"  {run.__name__} {setting}: {scores[setting]:.3f}, {seconds:.1f} s", flush=True)
    return scores


def record_tries(scores, seed):
    """Write the table of the tries, from the scores of the chapter's sampler and of gensim.

    A setting with which the training diverged has no score.
    """
    rows = {
        f"rate {eta}, threshold {threshold:g}": {
            name: value(of[eta, threshold])
            for name, of in scores.items()
            if of[eta, threshold] > -1
        }
        for eta, threshold in TRIES
    }
    caption = "Rates and thresholds tried: mean Spearman correlation on the development halves"
    write("word-embeddings-tried", "word_embeddings.py", caption, "setting", rows, [seed])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pass each, nothing recorded")
    parser.add_argument(
        "--tune", action="store_true", help="only the scores of TRIES, nothing recorded"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chapter = definitions("word2vec", NAMES)
    corpus = read_corpus(chapter, chapter.WINDOW)
    lists = bmu.load_word_similarities()
    halves = [chapter.covered_pairs(lists, corpus.index, half) for half in (True, False)]
    with threadpool_limits(1):
        scores = {}
        if not options.quick:
            for name, run in (("this course's sampler", sample), ("gensim's Word2Vec", gensim)):
                scores[name] = tuned(run, chapter, corpus, halves[0], options.seed)
        if options.tune:
            return
        own, gensims = (max(of, key=of.get) for of in scores.values()) if scores else TRIES[1:3]
        runs = {
            "gensim's Word2Vec as published, 5 passes": (gensim, PUBLISHED, 5),
            "gensim's Word2Vec tuned, 5 passes": (gensim, gensims, 5),
            "gensim's Word2Vec tuned, 2 passes": (gensim, gensims, 2),
            "{ref}`ch-word2vec`, 2 passes": (sample, own, 2),
        }
        made = {}
        for name, (run, setting, passes) in runs.items():
            passes = 1 if options.quick else passes
            made[name] = timed(run, chapter, corpus, *setting, passes, options.seed)
            print(f"{name} {setting}: {made[name][1]:.0f} s", flush=True)
        made[COUNTING] = timed(count, chapter, corpus)
        rows = summarised(made, chapter, halves)
    if options.quick:
        return
    record_tries(scores, options.seed)
    write(
        "word-embeddings",
        "word_embeddings.py",
        "Word vectors: mean Spearman correlation on the test halves of WordSim-353 and SimLex-999",
        "vectors",
        recorded_rows(rows),
        [options.seed],
    )


if __name__ == "__main__":
    main()
