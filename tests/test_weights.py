"""Readers of weights: right values, and one clear ValueError for whatever is wrong.

The files are written here, byte by byte, since a hostile file is one that no library would write.
"""

import collections
import io
import json
import pickle
import struct
import sys
import tracemalloc
import types
import zipfile

import numpy as np
import pytest

from bigmodel_utils.data.weights import (
    read_gguf,
    read_safetensors,
    read_torch,
    unpack_blocks,
)

MATRIX = np.arange(12, dtype="<f4").reshape(3, 4) / 8
HUGE = [2**31, 2**40, 2**63 - 1, 2**64 - 1]


def refused(reader, raw, *parts):
    """The bytes must be refused at once: one sentence, and hardly any memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            reader(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert peak < 2_000_000 + 100 * len(raw), f"{peak} bytes of memory"
    assert type(caught.value) is ValueError and 10 < len(message) < 400
    for part in parts:
        assert part in message, f"{part!r} is missing in: {message}"


# --- safetensors -----------------------------------------------------------------------------


def safetensors(header, body=b"", length=None):
    """The bytes of a file whose header is a dict or text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = {"m": entry("F32", [3, 4], 0, 48), "n": entry("I64", [2], 48, 64)}
GOOD_BODY = MATRIX.tobytes() + np.array([7, -7], "<i8").tobytes()


def test_safetensors_hold_arrays_of_their_types():
    arrays = read_safetensors(safetensors({"__metadata__": {"a": "b"}, **GOOD}, GOOD_BODY))
    assert list(arrays) == ["m", "n"] and np.array_equal(arrays["m"], MATRIX)
    assert arrays["m"].dtype == np.float32 and arrays["n"].tolist() == [7, -7]
    arrays["m"] += 1  # PyTorch warns of arrays that cannot be written to
    assert read_safetensors(safetensors({})) == {}


@pytest.mark.parametrize(
    ("dtype", "raw", "expected"),
    [
        ("F16", np.array([1.5, -2], "<f2"), [1.5, -2]),
        ("BF16", np.array([0x3FC0, 0xC000], "<u2"), [1.5, -2]),
        ("F64", np.array([1.5, -2], "<f8"), [1.5, -2]),
        ("U8", np.array([0, 255], "u1"), [0, 255]),
        ("BOOL", np.array([True, False]), [True, False]),
    ],
)
def test_safetensors_of_other_types(dtype, raw, expected):
    file = safetensors({"a": entry(dtype, [2], 0, raw.nbytes)}, raw.tobytes())
    array = read_safetensors(file)["a"]
    assert array.tolist() == expected and (array.dtype == np.float32) == ("F16" in dtype)


def test_safetensors_of_no_axis_and_of_no_value():
    header = {"a": entry("F32", [], 0, 4), "b": entry("F32", [0, 5], 4, 4)}
    arrays = read_safetensors(safetensors(header, np.float32(3).tobytes()))
    assert arrays["a"].shape == () and arrays["a"] == 3 and arrays["b"].shape == (0, 5)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 60, -1, -17, -60])
def test_safetensors_cut_short(cut):
    refused(read_safetensors, safetensors(GOOD, GOOD_BODY)[:cut])


@pytest.mark.parametrize("length", [*HUGE, 200])
def test_safetensors_with_an_absurd_header_length(length):
    refused(read_safetensors, safetensors(GOOD, b"", length), str(length))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"a": nonsense}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": 1}',
        b'{"a": {"dtype": "F32", "dtype": "F16", "shape": [1], "data_offsets": [0, 4]}}',
    ],
)
def test_safetensors_with_a_header_that_is_none(header):
    refused(read_safetensors, safetensors(header, bytes(4)), "safetensors: ")


@pytest.mark.parametrize(
    "described",
    [
        3,
        [],
        {},
        {"dtype": "F32", "shape": [1]},
        entry("F8", [1], 0, 4),
        entry(["F32"], [1], 0, 4),
        entry("F32", "1", 0, 4),
        entry("F32", [1.0], 0, 4),
        entry("F32", [True], 0, 4),
        entry("F32", [-1], 0, 4),
        entry("F32", [-1, -1], 0, 4),
        entry("F32", [2], 0, 4),
        entry("F32", [1] * 100, 0, 4),
        entry("F32", [2**62, 4], 0, 4),
        entry("F32", [2**32, 2**32], 0, 0),
        entry("F32", [0, 2**62, 2], 0, 0),
        entry("F32", [1], -4, 0),
        entry("F32", [1], 4, 8),
        entry("F32", [1], 4, 0),
        entry("F32", [1], 0, "4"),
        entry("F32", [1], 0.0, 4.5),
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]},
        {"dtype": "F32", "shape": [1], "data_offsets": None},
    ],
)
def test_safetensors_with_a_wrong_entry(described):
    refused(read_safetensors, safetensors({"a": described}, bytes(4)))


@pytest.mark.parametrize("begin", [0, 4, 44])
def test_safetensors_that_overlap(begin):
    header = {"m": GOOD["m"], "n": entry("F32", [3], begin, begin + 12)}
    refused(read_safetensors, safetensors(header, MATRIX.tobytes() + bytes(8)), "overlap")


@pytest.mark.parametrize("more", [1, 4, 1000])
def test_safetensors_with_bytes_of_nobody(more):
    refused(read_safetensors, safetensors(GOOD, GOOD_BODY + bytes(more)), "belong to no array")


# --- GGUF ------------------------------------------------------------------------------------


def text(words):
    raw = words if isinstance(words, bytes) else words.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(name, kind, raw):
    return text(name) + struct.pack("<I", kind) + raw


def tensor(name, shape, kind, offset):
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
    return text(name) + axes + struct.pack("<IQ", kind, offset)


def gguf(pairs=(), tensors=(), body=b"", version=3, counts=None, alignment=32):
    counted = counts or (len(tensors), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", version, *counted) + b"".join([*pairs, *tensors])
    return head + bytes(-len(head) % alignment) + body


F32, F16, Q4_0, Q4_1, Q8_0 = 0, 1, 2, 3, 8


def test_gguf_metadata_of_every_kind():
    numbers = [
        (0, "B", 255), (1, "b", -1), (2, "H", 9), (3, "h", -9), (4, "I", 2**31), (5, "i", -5),
        (6, "f", 0.5), (7, "?", True), (10, "Q", 2**63), (11, "q", -3), (12, "d", 1e-5),
    ]  # fmt: skip
    pairs = [pair(f"n{kind}", kind, struct.pack("<" + code, x)) for kind, code, x in numbers]
    pairs.append(pair("words", 9, struct.pack("<IQ", 8, 3) + text("a") + text("") + text("词 b")))
    pairs.append(pair("ids", 9, struct.pack("<IQ3i", 5, 3, 1, -2, 3)))
    pairs.append(pair("said", 8, text("hello")))
    metadata, tensors = read_gguf(gguf(pairs))
    assert tensors == {} and metadata.pop("words") == ["a", "", "词 b"]
    assert metadata.pop("ids") == [1, -2, 3] and metadata.pop("said") == "hello"
    assert metadata == {f"n{kind}": x for kind, _, x in numbers}


def blocks(*parts):
    return b"".join(np.asarray(values, dtype).tobytes() for dtype, values in parts)


def low_and_high(values):
    """Two integers of 4 bits in a byte: value i and value i + 16."""
    values = np.asarray(values, "u1")
    return values[:16] | values[16:] << 4


NIBBLES = np.random.default_rng(0).integers(0, 16, 32)
BYTES = np.random.default_rng(1).integers(-128, 128, 32)
PACKED = {
    Q4_0: (blocks(("<f2", 0.5), ("u1", low_and_high(NIBBLES))), 0.5 * (NIBBLES - 8.0)),
    Q4_1: (
        blocks(("<f2", [0.5, -3]), ("u1", low_and_high(NIBBLES))),
        0.5 * NIBBLES - 3.0,
    ),
    Q8_0: (blocks(("<f2", 0.25), ("i1", BYTES)), 0.25 * BYTES),
}


@pytest.mark.parametrize("kind", PACKED)
def test_gguf_blocks_are_unpacked(kind):
    raw, values = PACKED[kind]
    file = gguf(tensors=[tensor("t", [2, 64], kind, 0)], body=raw * 4)
    array = read_gguf(file).tensors["t"]
    assert array.dtype == np.float32 and array.shape == (2, 64)
    assert np.array_equal(array, np.tile(values, 4).reshape(2, 64))
    packed = read_gguf(file, packed=True).tensors["t"]
    assert packed.shape == (2, 2) and packed.nbytes == len(raw) * 4
    assert np.array_equal(unpack_blocks(packed), array)
    assert np.array_equal(unpack_blocks(packed[1, 1:]), values)


def test_gguf_numbers_in_rows():
    half = np.array([1.5, -2], "<f2")
    tensors = [tensor("m", [3, 4], F32, 0), tensor("h", [2], F16, 64), tensor("s", [], F32, 96)]
    body = MATRIX.tobytes() + bytes(16) + half.tobytes() + bytes(28) + np.float32(9).tobytes()
    for version in (2, 3):
        arrays = read_gguf(gguf((), tensors, body, version), packed=True).tensors
        assert np.array_equal(arrays["m"], MATRIX) and arrays["m"].flags.writeable
        assert arrays["h"].tolist() == [1.5, -2] and arrays["h"].dtype == np.float32
        assert arrays["s"].shape == () and arrays["s"] == 9


@pytest.mark.parametrize("alignment", [8, 64, 256])
def test_gguf_aligned_otherwise(alignment):
    pairs = [pair("general.alignment", 4, struct.pack("<I", alignment))]
    file = gguf(pairs, [tensor("m", [3, 4], F32, 0)], MATRIX.tobytes(), alignment=alignment)
    assert np.array_equal(read_gguf(file).tensors["m"], MATRIX)


WHOLE = gguf(
    [pair("words", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b"))],
    [tensor("m", [3, 4], F32, 0)],
    MATRIX.tobytes(),
)


@pytest.mark.parametrize("cut", range(0, len(WHOLE), 7))
def test_gguf_cut_short(cut):
    refused(read_gguf, WHOLE[:cut])


@pytest.mark.parametrize("raw", [b"GGML" + WHOLE[4:], WHOLE[::-1], b"x" * 100])
def test_gguf_that_is_none(raw):
    refused(read_gguf, raw, "not a GGUF file")


@pytest.mark.parametrize("version", [0, 1, 4, 3 << 24])
def test_gguf_of_another_version_or_order_of_bytes(version):
    refused(read_gguf, gguf(version=version), "version 2 or 3")


@pytest.mark.parametrize("count", HUGE)
def test_gguf_with_absurd_counts(count):
    refused(read_gguf, gguf(counts=(count, 0), body=bytes(500)), str(count))
    refused(read_gguf, gguf(counts=(0, count), body=bytes(500)), str(count))
    for kind in (0, 8, 12):
        array = pair("a", 9, struct.pack("<IQ", kind, count))
        refused(read_gguf, gguf([array], body=bytes(500)), str(count))
    refused(read_gguf, gguf([struct.pack("<Q", count)], (), bytes(99), counts=(0, 1)), str(count))
    refused(read_gguf, gguf([pair("a", 8, struct.pack("<Q", count))]), str(count))


@pytest.mark.parametrize("kind", [9, 13, 255, 2**32 - 1])
def test_gguf_with_values_of_unknown_kind_or_lists_of_lists(kind):
    nested = struct.pack("<IQ", 9, 1) * 50_000
    refused(read_gguf, gguf([pair("a", 9, struct.pack("<IQ", kind, 1) + nested)]), str(kind))
    if kind != 9:
        refused(read_gguf, gguf([pair("a", kind, bytes(8))]), str(kind))


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"a\x80"])
def test_gguf_with_names_that_are_not_utf_8(raw):
    refused(read_gguf, gguf([pair(raw, 7, b"\1")]), "not UTF-8")


def test_gguf_with_a_name_twice():
    refused(read_gguf, gguf([pair("a", 7, b"\1")] * 2), "a stands there twice")
    refused(read_gguf, gguf(tensors=[tensor("t", [1], F32, 0)] * 2, body=bytes(64)), "t stands")


@pytest.mark.parametrize(
    ("shape", "kind", "offset", "said"),
    [
        ([3, 4], 77, 0, "type 77"),
        ([3, 4], 10, 0, "type 10"),
        ([3, 5], F32, 0, "not among"),
        ([3, 4], F32, 32, "not among"),
        ([3, 4], F32, 2**63, "not among"),
        ([3, 4], F32, 4, "multiple of 32"),
        ([1] * 9, F32, 0, "no array has the shape"),
        ([2**63, 2], F32, 0, "no array has the shape"),
        ([2**32, 2**32], F32, 0, "no array has the shape"),
        ([0, 2**61], F32, 0, "no array has the shape"),
        ([2**59], F32, 0, "not among"),
        ([3, 40], Q8_0, 0, "cannot be cut"),
        ([], Q8_0, 0, "cannot be cut"),
        ([32, 1], Q4_1, 0, "cannot be cut"),
        ([32, 32], Q4_1, 0, "not among"),
    ],
)
def test_gguf_with_a_wrong_tensor(shape, kind, offset, said):
    file = gguf(tensors=[tensor("t", shape, kind, offset)], body=MATRIX.tobytes())
    refused(read_gguf, file, "t: ", said)


def test_gguf_with_more_axes_than_bytes():
    refused(read_gguf, gguf(tensors=[text("t") + struct.pack("<I", 2**32 - 1) + bytes(30)]))


@pytest.mark.parametrize("offset", [0, 32])
def test_gguf_tensors_that_overlap(offset):
    tensors = [tensor("m", [3, 4], F32, 0), tensor("n", [4], F32, offset)]
    refused(read_gguf, gguf((), tensors, MATRIX.tobytes() + bytes(64)), "overlap")


@pytest.mark.parametrize(
    ("kind", "raw"), [(4, bytes(4)), (4, b"\xff" * 4), (6, bytes(4)), (7, b"\1"), (8, text("32"))]
)
def test_gguf_with_an_alignment_that_is_none(kind, raw):
    refused(read_gguf, gguf([pair("general.alignment", kind, raw)]), "an alignment of")


# --- PyTorch ---------------------------------------------------------------------------------


class Storage:
    """Stands for a storage when a file is written."""

    def __init__(self, key, values, kind="FloatStorage"):
        self.key, self.values, self.kind = key, values, kind


class Tensor:
    """Stands for a tensor when a file is written."""

    def __init__(self, storage, shape, strides, offset=0):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())


@pytest.fixture
def torch(monkeypatch):
    """Modules that are named like PyTorch's, so that a pickle can name what is in them."""
    module, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "HalfStorage", "LongStorage", "ByteStorage"):
        setattr(module, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_):
        raise AssertionError("the reader has called it")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return module


def pickled(thing, legacy, protocol=2):
    """Pickle as torch.save does: storages by name, tensors as calls."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Storage):
                kind = getattr(sys.modules["torch"], thing.kind)
                head = ("storage", kind, thing.key, "cpu", len(thing.values))
                return head + (None,) if legacy else head

        def reducer_override(self, thing):
            if isinstance(thing, Tensor):
                return sys.modules["torch._utils"]._rebuild_tensor_v2, thing.arguments
            return NotImplemented

    buffer = io.BytesIO()
    Pickler(buffer, protocol).dump(thing)
    return buffer.getvalue()


def storages_of(tensors):
    found = [t.arguments[0] for t in tensors.values() if isinstance(t, Tensor)]
    return {s.key: s for s in found if isinstance(s, Storage)}


def legacy_file(tensors, keys=None, tail=b"", magic=0x1950A86A20F9469CFC6C, little=True):
    storages = storages_of(tensors)
    keys = sorted(storages) if keys is None else keys
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}
    parts = [pickled(x, True) for x in (magic, 1001, system, tensors, keys)]
    for key in keys:
        if isinstance(key, str) and key in storages:
            values = storages[key].values
            parts.append(struct.pack("<Q", len(values)) + values.tobytes())
    return b"".join(parts) + tail


def zip_file(tensors, pickle_bytes=None, changes=(), method=zipfile.ZIP_STORED):
    members = {"archive/data.pkl": pickle_bytes or pickled(tensors, False)}
    members |= {"archive/byteorder": b"little", "archive/version": b"3\n"}
    storages = storages_of(tensors)
    members |= {f"archive/data/{key}": s.values.tobytes() for key, s in storages.items()}
    members |= dict(changes)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()


FILES = {"legacy": legacy_file, "zip": zip_file}
FLAT = np.arange(12, dtype="<f4") / 8


def network():
    """Tensors as in a real file: one that is transposed, two of one storage, halves, a count."""
    shared = Storage("0", FLAT)
    tensors = collections.OrderedDict()
    tensors["weight"] = Tensor(shared, (3, 4), (4, 1))
    tensors["turned"] = Tensor(shared, (4, 3), (1, 4))
    tensors["tail"] = Tensor(shared, (2, 2), (2, 1), 8)
    tensors["half"] = Tensor(Storage("1", np.array([1.5, -2], "<f2"), "HalfStorage"), (2,), (1,))
    tensors["seen"] = Tensor(Storage("2", np.array([5], "<i8"), "LongStorage"), (), ())
    tensors["none"] = Tensor(shared, (0, 4), (4, 1))
    tensors._metadata = collections.OrderedDict({"": {"version": 1}, "bn": {"version": 2}})
    return tensors


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("kind", [collections.OrderedDict, dict])
def test_torch_tensors_are_read_and_nothing_is_called(torch, file, kind):
    tensors = network() if kind is collections.OrderedDict else dict(network())
    arrays = read_torch(file(tensors))
    assert list(arrays) == ["weight", "turned", "tail", "half", "seen", "none"]
    assert np.array_equal(arrays["weight"], FLAT.reshape(3, 4))
    assert np.array_equal(arrays["turned"], FLAT.reshape(3, 4).T)
    assert np.array_equal(arrays["tail"], FLAT[8:].reshape(2, 2))
    assert arrays["half"].tolist() == [1.5, -2] and arrays["half"].dtype == np.float32
    assert arrays["seen"].shape == () and arrays["seen"] == 5 and arrays["seen"].dtype == np.int64
    assert arrays["none"].shape == (0, 4) and arrays["weight"].flags.writeable


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_torch_files_cut_short_anywhere(torch, file):
    raw = file(network())
    for cut in [*range(0, len(raw), 23), len(raw) - 1]:
        refused(read_torch, raw[:cut])


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_torch_files_with_any_byte_changed_never_do_worse_than_refuse(torch, file):
    """Some changes are of a name or a value, and cannot be noticed in the older format."""
    raw = file(network())
    for place in range(0, len(raw), 5):
        changed = bytearray(raw)
        changed[place] ^= 0xFF
        try:
            read_torch(bytes(changed))
        except ValueError as error:
            assert type(error) is ValueError and len(str(error)) > 10


class Command:
    """What an attacker would put into the file."""

    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def instructions(*parts):
    """A pickle of protocol 2 from its raw instructions."""
    return b"\x80\x02" + b"".join(parts) + b"."


def global_of(name):
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


EMPTY_TUPLE, REDUCE = b")", b"R"
HOSTILE = {
    "os.system": pickle.dumps(Command(__import__("os").system, "touch /tmp/owned"), 2),
    "eval": pickle.dumps(Command(eval, "1"), 2),
    "getattr": pickle.dumps(Command(getattr, "a", "b"), 2),
    "newer protocol": pickle.dumps({"a": 1}, 4),
    "bytes": pickle.dumps({"a": b"1"}, 2),
    "a class": pickle.dumps({"a": zipfile.ZipFile}, 2),
    "a set": pickle.dumps({"a": {1}}, 2),
    "instance": b"(ios\nsystem\n.",
    "object": instructions(b"(cos\nsystem\no"),
    "new object": instructions(global_of("builtins object"), EMPTY_TUPLE, b"\x81"),
    "extension": instructions(b"\x82\x01"),
    "a storage that is called": instructions(global_of("torch FloatStorage"), EMPTY_TUPLE, REDUCE),
    "a number that is called": instructions(b"K\x01", EMPTY_TUPLE, REDUCE),
    "a dict of arguments": instructions(global_of("collections OrderedDict"), b"}\x85", REDUCE),
    "a tensor of nothing": instructions(global_of("torch._utils _rebuild_tensor_v2"), b")R"),
    "numbers for a storage": instructions(
        global_of("torch._utils _rebuild_tensor_v2"), b"(K\x01K\x01))t", REDUCE
    ),
    "a persistent name": instructions(b"X\x01\x00\x00\x00aQ"),
    "a name in text": b"Pfile\n.",
    "state of a number": instructions(b"K\x01}b"),
    "memo that is empty": instructions(b"h\x07"),
    "stack that is empty": instructions(b"R"),
    "mark that is missing": instructions(b"t"),
    "nothing": instructions(),
    "tuple of too much": instructions(b"K\x01\x87"),
    "key twice": instructions(b"}(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00aK\x01u"),
    "key that is a list": instructions(b"}(]K\x01u"),
    "key that is a number": instructions(b"}K\x01K\x01s"),
    "half a pair": instructions(b"}(X\x01\x00\x00\x00au"),
    "items for a number": instructions(b"K\x01(K\x01e"),
    "unknown instruction": instructions(b"\xff"),
    "a list": instructions(b"]"),
    "a dict of numbers": instructions(b"}X\x01\x00\x00\x00aK\x01s"),
    "an enormous number": instructions(b"\x8b\xff\xff\xff\x7f"),
    "an enormous string": instructions(b"X\xff\xff\xff\x7fa"),
    "digits without end": b"L" + b"9" * 100_000 + b"L\n.",
    "deep tuples": instructions(EMPTY_TUPLE, b"\x85" * 20_000),
    "deep lists": instructions(b"]" * 20_000, b"a" * 19_999),
    "laughs": instructions(b")", b"q\x00h\x00\x86" * 300),
    "laughs for a key": instructions(b"})", b"q\x00h\x00\x86" * 300, b"K\x01s"),
    "laughs for a shape": instructions(
        global_of("torch._utils _rebuild_tensor_v2"),
        b"(K\x00K\x00)", b"q\x00h\x00\x86" * 300, b")t", REDUCE,
    ),
    "a dict in itself": instructions(b"}q\x00X\x01\x00\x00\x00ah\x00s"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_torch_pickles_that_are_hostile(torch, monkeypatch, name):
    for module, call in (("os", "system"), ("builtins", "eval")):
        monkeypatch.setattr(sys.modules[module], call, lambda *_: pytest.fail("it was executed"))
    refused(read_torch, HOSTILE[name])  # where the magic number is expected
    good = legacy_file(network())
    magic = pickled(0x1950A86A20F9469CFC6C, True) + pickled(1001, True)
    system = pickled({"little_endian": True}, True)
    assert good.startswith(magic)
    refused(read_torch, magic + system + HOSTILE[name] + pickled([], True))
    refused(read_torch, zip_file({}, HOSTILE[name]), "PyTorch: ")


@pytest.mark.parametrize("name", ["os system", "zipfile ZipFile", "torch load", "torch._utils x"])
def test_torch_names_that_are_refused_are_shown(torch, name):
    described = instructions(b"}X\x01\x00\x00\x00a", global_of(name), b"s")
    refused(read_torch, zip_file({}, described), f"GLOBAL {name}")


WRONG = {
    "beyond the storage": ((3, 5), (5, 1), 0),
    "offset beyond": ((3, 4), (4, 1), 1),
    "stride beyond": ((3, 4), (5, 1), 0),
    "negative stride": ((3, 4), (-4, 1), 8),
    "negative offset": ((2,), (1,), -1),
    "negative size": ((-3, -4), (4, 1), 0),
    "one value a million times": ((1000, 1000), (0, 0), 0),
    "enormous": ((2**40, 2**40), (0, 0), 0),
    "enormous stride": ((2, 2), (2**62, 1), 0),
    "fractions": ((3.0, 4.0), (4, 1), 0),
    "truth": ((True, 4), (4, 1), 0),
    "too few strides": ((3, 4), (1,), 0),
    "too many axes": ((1,) * 9, (1,) * 9, 0),
    "no tuple": (3, 4, 0),
    "text": ("34", "41", 0),
    "offset of text": ((3, 4), (4, 1), "0"),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", WRONG)
def test_torch_tensors_that_do_not_fit_their_storage(torch, file, name):
    shape, strides, offset = WRONG[name]
    refused(read_torch, file({"t": Tensor(Storage("0", FLAT), shape, strides, offset)}), "t: ")


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_torch_storages_of_two_descriptions(torch, file):
    one, two = Storage("0", FLAT), Storage("0", FLAT, "LongStorage")
    tensors = {"a": Tensor(one, (12,), (1,)), "b": Tensor(two, (12,), (1,))}
    refused(read_torch, file(tensors), "two descriptions of storage 0")


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": []},
        {"keys": ["0", "1"]},
        {"keys": ["0", "1", "2", "2"]},
        {"keys": ["0", "1", "2", "3"]},
        {"keys": ["0", "1", 2]},
        {"keys": [["0"], "1", "2"]},
        {"tail": b"x"},
        {"magic": 7},
        {"little": False},
        {"little": 1},
    ],
)
def test_torch_legacy_files_that_do_not_agree_with_themselves(torch, changes):
    refused(read_torch, legacy_file(network(), **changes))


@pytest.mark.parametrize("length", HUGE)
def test_torch_legacy_storages_of_absurd_length(torch, length):
    raw = legacy_file({"t": Tensor(Storage("0", FLAT), (12,), (1,))})
    begin = len(raw) - FLAT.nbytes - 8
    refused(read_torch, raw[:begin] + struct.pack("<Q", length) + raw[begin + 8 :], "length")


@pytest.mark.parametrize(
    "changes",
    [
        {"archive/data.pkl": None},
        {"other/data.pkl": b"."},
        {"archive/data/0": None},
        {"archive/data/0": b"short"},
        {"archive/data/0": FLAT.tobytes() + b"x"},
        {"archive/byteorder": b"big"},
    ],
)
def test_torch_zip_files_that_do_not_agree_with_themselves(torch, changes):
    refused(read_torch, zip_file(network(), changes=changes), "PyTorch: ")


def test_torch_zip_bombs(torch):
    """16 MB of zeros in 20 kB: torch.save never compresses."""
    zeros = Storage("0", np.zeros(4_000_000, "<f4"))
    bomb = zip_file({"t": Tensor(zeros, (4_000_000,), (1,))}, method=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 50_000
    refused(read_torch, bomb, "compressed")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_torch_zip_files_with_a_name_twice(torch):
    buffer = io.BytesIO(zip_file(network()))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/data/0", FLAT.tobytes())
    refused(read_torch, buffer.getvalue(), "twice")
