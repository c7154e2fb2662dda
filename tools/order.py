"""How chapters run side by side: in which order, and with how many threads each."""

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


def share_cores(environ, processes, cores):
    """Give each of several processes its share of the cores, unless the user has chosen.

    TensorFlow's threads of two notebooks on two cores wait for each other: with one thread each,
    the same training took 37 processor seconds instead of 41 to 49, and half the time or less.

    Args:
        environ: mutable mapping, the environment that the notebooks' kernels will inherit.
        processes: int, number of notebooks that run at the same time.
        cores: int, number of processors.
    """
    if processes < 2:
        return
    threads = str(max(1, cores // processes))
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        environ.setdefault(name, threads)
