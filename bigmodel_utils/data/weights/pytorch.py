"""What `torch.save` writes: a pickle that describes tensors, and the storages with their values."""

import io
import pickletools
import zipfile
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.weights.arrays import array_from, count_of, widen

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "torch DoubleStorage": "<f8", "torch FloatStorage": "<f4", "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8", "torch IntStorage": "<i4", "torch ShortStorage": "<i2",
    "torch CharStorage": "i1", "torch ByteStorage": "u1", "torch BoolStorage": "?",
}  # fmt: skip
DICT, TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


class _Name(NamedTuple):
    """A class or function that the pickle asks for: its name, which is never looked up."""

    text: str


class _Storage(NamedTuple):
    dtype: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read_torch(raw):
    """Read a dict of tensors that `torch.save` has written, in its zip format or the older one.

    Such a file is a pickle: a program that could run anything. `pickletools` merely spells out its
    instructions. The few that describe a dict of tensors are followed here on plain values; any
    other instruction, and any name but those of PyTorch's storages, is refused.

    Args:
        raw: bytes of the file.

    Returns:
        dict of name to array; float16 becomes float32, all other types stay. As in PyTorch, arrays
        of one storage share their memory.

    Raises:
        ValueError: if the file is damaged, or holds anything but a dict of tensors.

    Source: https://github.com/pytorch/pytorch, torch/serialization.py and torch/_utils.py.
    """
    tensors, storages = _from_zip(raw) if raw[:2] == b"PK" else _from_legacy(raw)
    storages = {key: widen(values) for key, values in storages.items()}
    return {
        name: _strided(name, storages[tensor.storage.key], tensor)
        for name, tensor in tensors.items()
    }


def _from_legacy(raw):
    """Five pickles, then each storage with its length, in the order of the last pickle."""
    file = io.BytesIO(raw)
    if _unpickled(file) != MAGIC or _unpickled(file) != PROTOCOL:
        raise ValueError("not a file that torch.save has written")
    system, tensors, keys = _unpickled(file), _unpickled(file), _unpickled(file)
    _refuse_other_order(isinstance(system, dict) and system.get("little_endian") is True)
    wanted, storages = _storages(tensors), {}
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in wanted or key in storages:
            raise ValueError("PyTorch: a storage that no tensor asks for, or one twice")
        begin, (dtype, _, count) = file.tell() + 8, wanted[key]
        if int.from_bytes(file.read(8), "little") != count:
            raise ValueError(f"PyTorch: storage {key[:80]} has another length than its tensors say")
        storages[key] = array_from(raw, f"storage {key}", np.dtype(dtype), [count], begin)
        file.seek(begin + storages[key].nbytes)
    if len(storages) < len(wanted) or file.read(1):
        raise ValueError("PyTorch: a storage is missing, or there are bytes behind the last one")
    return tensors, storages


def _from_zip(raw):
    """A zip archive, not compressed: data.pkl, and a member for each storage."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            stored = [m.compress_type == zipfile.ZIP_STORED for m in archive.infolist()]
            if not all(stored) or sum(m.file_size for m in archive.infolist()) > len(raw):
                raise ValueError("members are compressed or share bytes; torch.save does not do so")
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("/data.pkl")]
            if len(pickles) != 1 or len(set(names)) < len(names):
                raise ValueError("data.pkl is missing, or a name stands there twice")
            top = pickles[0].removesuffix("data.pkl")
            if f"{top}byteorder" in names:
                _refuse_other_order(archive.read(f"{top}byteorder") == b"little")
            tensors = _unpickled(io.BytesIO(archive.read(pickles[0])))
            storages = {}
            for key, (dtype, _, count) in _storages(tensors).items():
                content, dtype = archive.read(f"{top}data/{key}"), np.dtype(dtype)
                if len(content) != count * dtype.itemsize:
                    raise ValueError(f"storage {key[:80]} has another length than its tensors say")
                storages[key] = array_from(content, f"storage {key}", dtype, [count])
    except Exception as error:  # zipfile has many ways to say that an archive is damaged
        raise ValueError(f"PyTorch: the archive cannot be read: {error}") from error
    return tensors, storages


def _refuse_other_order(little):
    if not little:
        raise ValueError("PyTorch: written by a machine with another order of bytes")


def _storages(tensors):
    """Return the storages of a dict of tensors, by key; refuse anything else."""
    if not isinstance(tensors, dict) or not all(isinstance(t, _Tensor) for t in tensors.values()):
        raise ValueError("PyTorch: the file holds something other than a dict of tensors")
    storages = {}
    for tensor in tensors.values():
        if storages.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise ValueError(f"PyTorch: two descriptions of storage {tensor.storage.key[:80]}")
    return storages


def _strided(name, values, tensor):
    """Return a tensor as a view of its storage, once it is sure to lie inside."""
    _, offset, shape, strides = tensor
    count = count_of(name, shape)
    count_of(name, strides)  # whole numbers and not negative, like the sizes
    if len(strides) != len(shape) or type(offset) is not int or offset < 0:
        raise ValueError(f"{name[:80]}: its strides or its offset make no sense")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if count > len(values) or (count and last >= len(values)):
        raise ValueError(f"{name[:80]}: reaches beyond its storage of {len(values)} values")
    if not count:
        return np.zeros(shape, values.dtype)
    size = values.itemsize
    steps = [stride * size for stride in strides]
    return np.ndarray(shape, values.dtype, values, offset * size, steps)


def _unpickled(file):
    """Follow the instructions of one pickle, if they do nothing but describe values."""
    try:
        return _follow(pickletools.genops(file))
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"PyTorch: the pickle is refused: {error}") from error


def _follow(instructions):
    stack, marks, memo = [], [], {}
    for instruction, argument, _ in instructions:
        name = instruction.name
        if name == "STOP":
            return stack.pop()
        elif name == "MARK":
            marks.append(len(stack))
        elif name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            items = _taken(stack, marks.pop() if name == "TUPLE" else len(stack) - int(name[-1]))
            stack.append(tuple(items))
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS"):
            single = {"APPEND": 1, "SETITEM": 2}
            begin = len(stack) - single[name] if name in single else marks.pop()
            items = _taken(stack, begin)
            _put(stack[-1], items, list if name.startswith("APPEND") else dict)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL" and argument in {DICT, TENSOR, *STORAGES}:
            stack.append(_Name(argument))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_called(stack.pop(), arguments))
        elif name == "BUILD" and isinstance(stack[-2], dict):
            stack.pop()  # the versions of the layers, which PyTorch hangs on its OrderedDict
        elif name != "PROTO":
            raise ValueError(f"{name} {str(argument or '')[:80]} has no place among tensors")
    raise ValueError("it has no end")


def _taken(stack, begin):
    """Take what lies on a stack from `begin` on."""
    if not 0 <= begin <= len(stack):
        raise ValueError("more is taken from the stack than lies on it")
    items = stack[begin:]
    del stack[begin:]
    return items


def _put(target, items, kind):
    """Add items to a list, or keys and values to a dict whose keys are different strings."""
    if not isinstance(target, kind):
        raise ValueError(f"items for a {type(target).__name__}")
    if kind is list:
        target.extend(items)
        return
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is not str or key in target:
            raise ValueError("a key that is no string, or one twice")
        target[key] = value


def _storage(described):
    """Turn ("storage", type, key, device, count) into a `_Storage`."""
    if not isinstance(described, tuple) or len(described) < 5 or described[0] != "storage":
        raise ValueError("something outside the file is asked for")
    _, kind, key, _, count = described[:5]
    if not isinstance(kind, _Name) or type(key) is not str:
        raise ValueError("a storage without a type or a key")
    return _Storage(STORAGES[kind.text], key, count_of("a storage", [count]))


def _called(name, arguments):
    """Return what PyTorch would build: an empty dict, or a tensor."""
    if name == _Name(DICT) and arguments == ():
        return {}
    if name == _Name(TENSOR) and isinstance(arguments, tuple) and len(arguments) >= 4:
        tensor = _Tensor(*arguments[:4])
        if isinstance(tensor.storage, _Storage):
            return tensor
    raise ValueError("a call that builds no tensor")
