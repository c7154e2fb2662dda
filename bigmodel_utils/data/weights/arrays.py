"""What the readers share: an array out of bytes, if the bytes are there."""

import math

import numpy as np

MOST_AXES, MOST_VALUES = 8, 2**60  # NumPy's own numbers overflow beyond


def count_of(name, shape):
    """Return the number of values of a shape that nobody has checked yet."""
    if not isinstance(shape, list | tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{name[:80]}: its shape is not a list of whole numbers")
    if len(shape) > MOST_AXES or math.prod(max(n, 1) for n in shape) > MOST_VALUES:
        raise ValueError(f"{name[:80]}: no array has the shape {str(shape)[:80]}")
    return math.prod(shape)


def array_from(raw, name, dtype, shape, offset=0):
    """Copy an array out of `raw`, in this machine's order of bytes.

    Args:
        raw: bytes or memoryview.
        name: str, for the error.
        dtype: NumPy dtype as in the file.
        shape: list of int.
        offset: int, where in `raw` the array begins.

    Raises:
        ValueError: if the array would end behind the last byte.
    """
    count = count_of(name, shape)
    end = offset + count * dtype.itemsize
    if offset < 0 or end > len(raw):
        raise ValueError(f"{name[:80]}: its bytes {offset} to {end} are not among {len(raw)}")
    flat = np.frombuffer(memoryview(raw)[offset:end], dtype)
    return flat.astype(dtype.newbyteorder("=")).reshape(shape)


def refuse_overlap(spans):
    """Refuse a file in which two arrays share bytes.

    Args:
        spans: list of (begin, end, name).
    """
    spans = sorted(span for span in spans if span[0] < span[1])
    for (_, end, first), (begin, _, second) in zip(spans, spans[1:], strict=False):
        if begin < end:
            raise ValueError(f"{first[:80]} and {second[:80]} overlap; the file is damaged")


def widen(array):
    """Return float16 values as float32, and any other array as it is."""
    return array.astype("float32") if array.dtype == np.float16 else array
