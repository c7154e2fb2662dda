"""Word vectors of the chapter beside gensim's Word2Vec: quality against CPU time, in one run.

Everything sees the same tokens, the same 10,000 words and the same word pairs; vectors have 100
dimensions. CPU seconds are those of the whole process on one thread: for the chapter they include
numbering the words, counting, the start and the training; for gensim building the vocabulary from
given counts, and training. Reading and splitting the text is charged to nobody.

The exact loss is trained twice: cold, from random vectors and the constant -log k, by the chapter's
Newton steps with one matrix for all rows; and warm, from PPMI's factors, by Adam. Each is set
beside the cheapest gensim run that took no less CPU time, and the time it takes to gensim's last
quality is given as a share of gensim's. Of gensim's word vectors w and the sum w + v the better
one counts.
"""

import argparse
import json
import time
from collections import Counter

import numpy as np
from threadpoolctl import threadpool_limits

import bigmodel_utils as bmu
from chapter import definitions
from record import value, write

NAMES = """tokenise encode cooccurrence ppmi factorise weighted_eigenvectors warm_start
noise_distribution sgns sgns_newton judge WINDOW NEGATIVES""".split()
WORDS, DIMENSIONS = 10_000, 100
STEPS, COLD_STEPS = 6, 24
ETA, COLD_ETA = 0.03, 0.7
REDRAWS = 200  # of the word pairs, for an interval


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
        ends = self.interval(vectors)
        self.rows.append(dict(name=name, seconds=seconds, other=other, interval=ends, **scores))
        print(
            f"{name:22s} {seconds:6.1f} {scores['wordsim353']:6.3f} "
            f"{scores['simlex999']:6.3f} {scores['mean']:6.3f} {other:6.3f}",
            flush=True,
        )
        self.zero += time.process_time() - now
        return seconds

    def interval(self, vectors):
        """The 95 % interval of the mean correlation, word pairs being drawn again."""
        words = {w for pairs, _ in self.lists.values() for pair in pairs for w in pair}
        words = sorted(words & self.index.keys())
        small, own = vectors[[self.index[w] for w in words]], {w: i for i, w in enumerate(words)}
        rng, means = np.random.default_rng(0), []
        for _ in range(REDRAWS):
            drawn = {}
            for name, (pairs, human) in self.lists.items():
                rows = rng.integers(len(pairs), size=len(pairs))
                drawn[name] = [pairs[i] for i in rows], human[rows]
            means.append(self.chapter.judge(small, own, drawn)["mean"])
        return tuple(np.quantile(means, [0.025, 0.975]))


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

    def train(descend, name, start, steps, eta, spent):
        def watch(W, V):
            steps_done[name] = steps_done.get(name, 0) + 1
            record.note(f"{name}, step {steps_done[name]}", W + V)

        record.begin(spent)
        descend(*start, counts, q, chapter.NEGATIVES, steps, eta, watch)

    train(chapter.sgns, "warm", warm, STEPS, ETA, already)
    if not quick:
        rng = np.random.default_rng(seed)
        cold = [0.1 * rng.normal(size=warm[0].shape).astype("float32") for _ in range(2)]
        for matrix, of_warm in zip(cold, warm, strict=True):
            matrix[:, -1] = of_warm[:, -1]  # the constant -log k, and nothing else
        train(chapter.sgns_newton, "cold", cold, COLD_STEPS, COLD_ETA, counting)


def run_gensim(record, documents, words, frequency, seed, epochs, chapter):
    from gensim.models import Word2Vec  # a rival that nothing but this function needs

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
    """The ratios of the bar: at equal CPU time, time to gensim's last quality, best vectors."""
    gensim = [row for row in rows if row["name"].startswith("gensim")]
    final = max(gensim[-2:], key=_mean)  # of one run: w, or w + v
    best = max((row for row in rows if row not in gensim), key=_mean)
    summary = {"gensim_last": _short(final), "best": _short(best)}
    for start in ("cold", "warm"):
        steps = [row for row in rows if row["name"].startswith(start)]
        if not steps:
            continue
        for rival in (max(pair, key=_mean) for pair in zip(gensim[::2], gensim[1::2], strict=True)):
            within = [row for row in steps if row["seconds"] <= rival["seconds"]]
            if within:
                ahead = within[-1]["mean"] - rival["mean"]
                summary[f"{start}_ahead_of_{rival['name'].removesuffix(', w+v')}"] = round(ahead, 3)
        reached = [row["seconds"] for row in steps if row["mean"] >= final["mean"]]
        summary[f"{start}_last"] = _short(steps[-1])
        summary[f"{start}_share_of_cpu_time_to_gensim_last"] = (
            round(reached[0] / final["seconds"], 3) if reached else None
        )
    return summary


def recorded_rows(rows):
    """Name the rows for the page of results: for each run of gensim the better vectors."""
    gensim = [row for row in rows if row["name"].startswith("gensim")]
    chosen = {}
    for w, both in zip(gensim[::2], gensim[1::2], strict=True):
        epochs = w["name"].split()[1]
        unit = "epoch" if epochs == "1" else "epochs"
        chosen[f"gensim's Word2Vec, {epochs} {unit}"] = max(w, both, key=_mean)
    final = chosen[f"gensim's Word2Vec, {epochs} {unit}"]
    last = {
        start: [row for row in rows if row["name"].startswith(start)] for start in ("warm", "cold")
    }
    chosen["{ref}`ch-word-embeddings`, PPMI + SVD"] = rows[0]
    chosen["exact negative sampling, warm start"] = last["warm"][-1]
    chosen[f"exact negative sampling, random start, {COLD_STEPS} steps"] = last["cold"][-1]
    above = [row for row in last["cold"] if _mean(row) >= _mean(final)]
    if above:
        chosen[f"random start, first step that beats gensim's {epochs} epochs"] = above[0]
    return {
        label: {
            "correlation": value(row["mean"], row["interval"]),
            "CPU seconds": value(row["seconds"], unit="s"),
        }
        for label, row in chosen.items()
    }


def _short(row):
    return [row["name"], round(row["seconds"], 1), round(row["mean"], 3)]


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
    if not options.quick:
        write(
            "word-embeddings",
            "word_embeddings.py",
            "Word vectors: mean Spearman correlation on WordSim-353 and SimLex-999",
            "vectors",
            recorded_rows(record.rows),
            [options.seed],
        )


if __name__ == "__main__":
    main()
