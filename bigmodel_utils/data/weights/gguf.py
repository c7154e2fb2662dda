"""GGUF: metadata, the names and shapes of the tensors, then their blocks."""

import struct
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.weights.arrays import array_from, count_of, refuse_overlap

# By the number that GGUF gives a type: how many values stand in a block, and its fields. `d` is
# the step, `m` the least value, `q` the integers; of two in a byte, the low half comes 16 earlier.
BLOCKS = {
    0: (1, np.dtype("<f4")),
    1: (1, np.dtype("<f2")),
    2: (32, np.dtype([("d", "<f2"), ("q", "u1", 16)])),  # Q4_0
    3: (32, np.dtype([("d", "<f2"), ("m", "<f2"), ("q", "u1", 16)])),  # Q4_1
    8: (32, np.dtype([("d", "<f2"), ("q", "i1", 32)])),  # Q8_0
}
NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
STRING, ARRAY = 8, 9


class Gguf(NamedTuple):
    """What `read_gguf` returns."""

    metadata: dict
    tensors: dict


def read_gguf(raw, packed=False):
    """Read a GGUF file of version 2 or 3.

    Args:
        raw: bytes of the file.
        packed: bool, True to leave quantised tensors as they are in the file. Such an array has
            one entry for a block of 32 values, with the fields `d` (the step), `q` (the integers)
            and, in Q4_1, `m` (the least value); `unpack_blocks` turns it into float32.

    Returns:
        `Gguf` with
        metadata: dict of name to number, bool, string or list.
        tensors: dict of name to float32 array, axes in NumPy's order (rows first).

    Raises:
        ValueError: if the file is damaged, or holds a tensor of a type other than F32, F16, Q4_0,
            Q4_1 and Q8_0.

    Source: the format's description, https://github.com/ggml-org/ggml, docs/gguf.md.
    """
    file = _Bytes(memoryview(raw))
    if file.take(4) != b"GGUF" or file.number("I") not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    tensor_count, metadata_count = file.count(24), file.count(12)
    metadata = file.named(metadata_count, lambda: file.value(file.number("I")))
    described = file.named(tensor_count, file.tensor)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= 2**16:
        raise ValueError(f"GGUF: an alignment of {str(alignment)[:40]}")
    body = file.raw[-(-file.at // alignment) * alignment :]
    tensors, spans = {}, []
    for name, (shape, kind, offset) in described.items():
        if kind not in BLOCKS:
            raise ValueError(f"{name[:80]}: type {kind} is none of F32, F16, Q4_0, Q4_1, Q8_0")
        values, dtype = BLOCKS[kind]
        if count_of(name, shape) and values > 1 and (not shape or shape[-1] % values):
            raise ValueError(f"{name[:80]}: {shape} cannot be cut into blocks of {values}")
        if offset % alignment:
            raise ValueError(f"{name[:80]}: begins at {offset}, no multiple of {alignment}")
        if values > 1:
            shape = [*shape[:-1], shape[-1] // values]
        blocks = array_from(body, name, dtype, shape, offset)
        spans.append((offset, offset + blocks.nbytes, name))
        tensors[name] = blocks if packed and values > 1 else unpack_blocks(blocks)
    refuse_overlap(spans)
    return Gguf(metadata, tensors)


def unpack_blocks(blocks):
    """Turn the blocks of a quantised tensor into float32 values.

    Args:
        blocks: array of shape `(..., n)` with the fields `d`, `q` and perhaps `m`, as `read_gguf`
            returns it; an array of plain numbers is allowed too.

    Returns:
        float32 array of shape `(..., 32 n)`: `d q` (Q8_0), `d (q - 8)` (Q4_0) or `d q + m` (Q4_1).
    """
    if blocks.dtype.names is None:
        return blocks.astype("float32", copy=False)
    q, d = blocks["q"], blocks["d"].astype("float32")[..., None]
    values = np.empty((*blocks.shape, 32), "float32")
    if q.shape[-1] == 32:
        values[...] = q
    else:
        values[..., :16], values[..., 16:] = q & 15, q >> 4
        if "m" not in blocks.dtype.names:
            values -= 8
    values *= d
    if "m" in blocks.dtype.names:
        values += blocks["m"].astype("float32")[..., None]
    return values.reshape(*blocks.shape[:-1], -1)


class _Bytes:
    """Takes one value after another from bytes, and never more than there are."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, length):
        """Take `length` bytes."""
        if length > len(self.raw) - self.at:
            raise ValueError(f"GGUF: {length} bytes wanted at {self.at} of {len(self.raw)}")
        self.at += length
        return self.raw[self.at - length : self.at]

    def number(self, code):
        """Take a number of one of the struct module's codes."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def count(self, least):
        """Take a number of things to come; each needs at least `least` bytes."""
        count = self.number("Q")
        if count * least > len(self.raw) - self.at:
            raise ValueError(f"GGUF: {count} entries announced at {self.at} of {len(self.raw)}")
        return count

    def string(self):
        """Take a length and so many bytes of UTF-8."""
        try:
            return str(self.take(self.number("Q")), "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"GGUF: the string before {self.at} is not UTF-8") from error

    def value(self, kind):
        """Take a value of the metadata; a list of lists is refused like any unknown kind."""
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.number(self.code(kind))
        kind = self.number("I")
        if kind == STRING:
            return [self.string() for _ in range(self.count(8))]
        code = self.code(kind)
        count = self.count(struct.calcsize("<" + code))
        return list(struct.unpack(f"<{count}{code}", self.take(struct.calcsize(f"<{count}{code}"))))

    def code(self, kind):
        """Return the struct module's code for a kind of number."""
        if kind not in NUMBERS:
            raise ValueError(f"GGUF: a value of unknown kind {kind} before {self.at}")
        return NUMBERS[kind]

    def tensor(self):
        """Take what describes a tensor: its shape, its type, and where it begins."""
        axes = self.number("I")
        shape = list(struct.unpack(f"<{axes}Q", self.take(8 * axes)))[::-1]
        return shape, self.number("I"), self.number("Q")

    def named(self, count, take):
        """Take `count` names with what follows each; the same name twice is an error."""
        found = {}
        for _ in range(count):
            name = self.string()
            if name in found:
                raise ValueError(f"GGUF: {name[:80]} stands there twice")
            found[name] = take()
        return found
