"""Read files of weights with NumPy alone: safetensors, GGUF, PyTorch. Nothing is executed.

A file is bytes that somebody else has written. Each length, count and offset in it is compared
with the bytes that are there before it is used, and whatever disagrees is a `ValueError` that says
what. float16 becomes float32; arrays may be written to and do not need the file's bytes any more.
"""

from bigmodel_utils.data.weights.gguf import Gguf, read_gguf, unpack_blocks
from bigmodel_utils.data.weights.pytorch import read_torch
from bigmodel_utils.data.weights.safetensors import read_safetensors

__all__ = ["Gguf", "read_gguf", "read_safetensors", "read_torch", "unpack_blocks"]
