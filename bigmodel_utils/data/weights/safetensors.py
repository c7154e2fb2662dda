"""safetensors: the length of a header, the header in JSON, then the arrays one after the other."""

import json

import numpy as np

from bigmodel_utils.data.weights.arrays import array_from, count_of, refuse_overlap, widen

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "BF16": "<u2",
}  # fmt: skip


def read_safetensors(raw):
    """Read a safetensors file.

    Args:
        raw: bytes of the file.

    Returns:
        dict of name to array; float16 and bfloat16 become float32, all other types stay.

    Raises:
        ValueError: if the file is damaged, or holds another type.

    Source: the format's description, https://github.com/huggingface/safetensors.
    """
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > len(raw) - 8:
        raise ValueError(f"safetensors: a header of {length} bytes in a file of {len(raw)}")
    header, body = _header(raw[8 : 8 + length]), memoryview(raw)[8 + length :]
    header.pop("__metadata__", None)
    arrays, spans = {}, []
    for name, entry in header.items():
        try:
            kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            count_of(name, [begin, end])  # whole numbers and not negative
            dtype = np.dtype(TYPES[kind])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"safetensors: the entry of {name[:80]} cannot be read") from error
        if end - begin != count_of(name, shape) * dtype.itemsize:
            raise ValueError(f"{name[:80]}: its shape needs other than {end - begin} bytes")
        spans.append((begin, end, name))
        array = widen(array_from(body, name, dtype, shape, begin))
        if kind == "BF16":  # the upper half of a float32
            array = (array.astype("uint32") << 16).view("float32")
        arrays[name] = array
    refuse_overlap(spans)
    if sum(end - begin for begin, end, _ in spans) != len(body):
        raise ValueError("safetensors: there are bytes that belong to no array")
    return arrays


def _header(text):
    """Parse the header; the same name twice is an error, and so is nesting without end."""

    def once(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a name stands there twice")
        return dict(pairs)

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"safetensors: the header cannot be read: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("safetensors: the header is not a JSON object")
    return header
