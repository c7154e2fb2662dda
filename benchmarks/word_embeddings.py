"""Word vectors of the chapter beside gensim's Word2Vec: quality against CPU time, in one run.

Everything sees the same tokens, the same 10,000 words and the same word pairs; vectors have 100
dimensions. CPU seconds are those of the whole process on one thread: for the chapter they include
numbering the words, counting, the start and the training; for gensim building the vocabulary from
given counts, and training. Reading and splitting the text is charged to nobody.

The exact loss starts from PPMI's factors, as in the chapter; the cold start, which knows only the
constant -log k, is listed beside it. Of gensim's word vectors w and the sum w + v the better one
counts.
"""

import argparse
import json
import time
from collections import Counter

import numpy as np
from gensim.models import Word2Vec
from threadpoolctl import threadpool_limits

import bigmodel_utils as bmu
from chapter import definitions

NAMES = """tokenise encode cooccurrence ppmi factorise weighted_eigenvectors warm_start
noise_distribution sgns judge WINDOW NEGATIVES""".split()
WORDS, DIMENSIONS = 10_000, 100
STEPS, COLD_STEPS = 6, 40
ETA, COLD_ETA = 0.03, 0.1


class Record:
    """Collects (CPU seconds, scores) and leaves the time of judging out."""

    def __init__(self, chapter, index, lists):
        """Keep the chapter's functions, the word numbers and the lists to judge by."""
        self.chapter, self.index, self.lists, self.rows = chapter, index, lists, []
        self.begin()

    def begin(self, already=0.0):
        """Start the clock, as if `already` seconds had been spent."""
        self.zero = time.process_time() - already

    def note(self, name, vectors):
        """Judge vectors with the clock stopped; returns the CPU seconds so far."""
        now = time.process_time()
        seconds = now - self.zero
        scores = self.chapter.judge(vectors, self.index, self.lists)
        other = self.chapter.judge(vectors, self.index, self.lists, "other")["mean"]
        self.rows.append(dict(name=name, seconds=seconds, other=other, **scores))
        print(
            f"{name:22s} {seconds:6.1f} {scores['wordsim353']:6.3f} "
            f"{scores['simlex999']:6.3f} {scores['mean']:6.3f} {other:6.3f}",
            flush=True,
        )
        self.zero += time.process_time() - now
        return seconds


def run_chapter(chapter, record, documents, words, seed, quick):
    index, steps_done = record.index, {}
    record.begin()
    counts = chapter.cooccurrence(
        chapter.encode(documents, index, chapter.WINDOW), len(words), chapter.WINDOW
    )
    counting = time.process_time() - record.zero
    values, vectors = chapter.factorise(chapter.ppmi(counts), DIMENSIONS)
    already = record.note("PPMI + SVD", chapter.weighted_eigenvectors(values, vectors, 0))
    q = chapter.noise_distribution(np.asarray(counts.sum(axis=0)).ravel())
    warm = chapter.warm_start(values, vectors, chapter.NEGATIVES)

    def train(name, start, steps, eta, spent):
        def watch(W, V):
            steps_done[name] = steps_done.get(name, 0) + 1
            record.note(f"{name}, step {steps_done[name]}", W + V)

        record.begin(spent)
        chapter.sgns(*start, counts, q, chapter.NEGATIVES, steps, eta, watch)

    train("exact SGNS", warm, STEPS, ETA, already)
    if not quick:
        rng = np.random.default_rng(seed)
        cold = [0.1 * rng.normal(size=warm[0].shape).astype("float32") for _ in range(2)]
        for matrix, of_warm in zip(cold, warm, strict=True):
            matrix[:, -1] = of_warm[:, -1]  # the constant -log k, and nothing else
        train("cold start", cold, COLD_STEPS, COLD_ETA, counting)


def run_gensim(record, documents, words, frequency, seed, epochs, chapter):
    for n in epochs:
        record.begin()
        model = Word2Vec(
            vector_size=DIMENSIONS,
            window=chapter.WINDOW,
            negative=chapter.NEGATIVES,
            sg=1,
            epochs=n,
            workers=1,
            min_count=1,
            seed=seed,
        )
        model.build_vocab_from_freq({w: frequency[w] for w in words}, corpus_count=len(documents))
        model.train(documents, total_examples=len(documents), epochs=n)
        rows = [model.wv.key_to_index[word] for word in words]
        record.note(f"gensim, {n} epochs", model.wv.vectors[rows])
        record.note(f"gensim, {n} epochs, w+v", (model.wv.vectors + model.syn1neg)[rows])


def summarise(rows):
    """The ratios of the bar: at equal CPU time, time to gensim's best quality, best vectors."""
    exact = [row for row in rows if row["name"].startswith("exact SGNS")]
    gensim = [row for row in rows if row["name"].startswith("gensim")]
    last = exact[-1]
    allowed = [row for row in gensim if row["seconds"] >= last["seconds"]]
    rival = max(allowed[:2] or gensim[-2:], key=_mean)  # of one run: w, or w + v
    final = max(gensim[-2:], key=_mean)
    reached = [row["seconds"] for row in exact if row["mean"] >= final["mean"]]
    best = max((row for row in rows if not row["name"].startswith("gensim")), key=_mean)
    return {
        "exact_mean": round(last["mean"], 3),
        "exact_cpu_s": round(last["seconds"], 1),
        "rival": rival["name"],
        "rival_mean": round(rival["mean"], 3),
        "rival_cpu_s": round(rival["seconds"], 1),
        "advantage_in_no_more_cpu_time": round(last["mean"] - rival["mean"], 3),
        "gensim_last_mean": round(final["mean"], 3),
        "share_of_gensim_last_cpu_time_to_its_quality": (
            round(reached[0] / final["seconds"], 3) if reached else None
        ),
        "best": best["name"],
        "best_mean": round(best["mean"], 3),
        "best_cpu_s": round(best["seconds"], 1),
    }


def _mean(row):
    return row["mean"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="gensim for one epoch, no cold start")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chapter = definitions("word-embeddings", NAMES)
    documents = chapter.tokenise(bmu.load_movie_reviews().texts)
    frequency = Counter(word for document in documents for word in document)
    words = [word for word, _ in frequency.most_common(WORDS)]
    index = {word: i for i, word in enumerate(words)}
    record = Record(chapter, index, bmu.load_word_similarities())
    print(f"{'vectors':22s} {'CPU s':>6s} {'WS353':>6s} {'SL999':>6s} {'mean':>6s} {'other':>6s}")
    with threadpool_limits(1):
        run_chapter(chapter, record, documents, words, options.seed, options.quick)
        epochs = (1,) if options.quick else (1, 2, 5)
        run_gensim(record, documents, words, frequency, options.seed, epochs, chapter)
    print(json.dumps(summarise(record.rows)))


if __name__ == "__main__":
    main()
