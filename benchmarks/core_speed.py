"""Compare a core of this machine with the reference core.

Times of different machines are published in reference seconds: CPU seconds measured on a machine,
divided by the number that this script prints for it. The reference core is that of the machine on
which the course's first times were taken, on 25 November 2026; it needs 3.0 s for the work below.

    python benchmarks/core_speed.py
"""

import time

import numpy as np
from threadpoolctl import threadpool_limits

REFERENCE_SECONDS = 3.0
REPEATS = 5


def matrices(rng):
    """Multiply matrices that fit the cache, as a network's layers do."""
    product, factor = rng.normal(size=(2, 640, 640)).astype("float32")
    for _ in range(60):
        product = np.tanh(product @ factor / 640)
    return product


def memory(rng):
    """Go through an array that fits no cache."""
    array = rng.normal(size=4_000_000).astype("float32")
    for _ in range(25):
        array = array * 0.5 + 1
    return array


def interpreter():
    """Count in plain Python."""
    counts = {}
    for i in range(1_500_000):
        counts[i % 1009] = counts.get(i % 1009, 0) + 1
    return counts


def core_speed(repeats=REPEATS):
    """Measure how long this machine's cores take beside the reference core.

    Args:
        repeats: int, number of measurements; the best counts, as other work can only slow one down.

    Returns:
        float, this machine's CPU seconds over the reference core's; 0.5 is a core twice as fast.
    """
    seconds = []
    with threadpool_limits(1):
        for _ in range(repeats):
            start, rng = time.process_time(), np.random.default_rng(0)
            matrices(rng), memory(rng), interpreter()
            seconds.append(time.process_time() - start)
    return min(seconds) / REFERENCE_SECONDS


if __name__ == "__main__":
    print(f"CPU seconds here, over those of the reference core: {core_speed():.2f}")
