"""Run settings of a chapter: its seed and its profile."""

import os


def set_seed(default=0):
    """Seed Python, NumPy and Keras's backend.

    Args:
        default: int, the seed unless the environment variable `BIGMODEL_SEED` names another.

    Returns:
        int, the seed in use.

    Raises:
        ValueError: if `BIGMODEL_SEED` is not an integer of 0 or more.
    """
    text = os.environ.get("BIGMODEL_SEED", str(default))
    if not text.isdecimal():
        raise ValueError(f"BIGMODEL_SEED is {text!r}; give an integer of 0 or more, such as 0")
    import keras

    seed = int(text)
    keras.utils.set_random_seed(seed)
    return seed


def profile():
    """Choose the sizes a chapter runs with.

    Returns:
        `"full"` if Keras's backend sees a GPU, otherwise `"quick"`; the environment variable
        `BIGMODEL_PROFILE` overrides the choice.

    Raises:
        ValueError: if `BIGMODEL_PROFILE` is neither `quick` nor `full`.
    """
    chosen = os.environ.get("BIGMODEL_PROFILE", "")
    if chosen in ("quick", "full"):
        return chosen
    if chosen:
        raise ValueError(f"BIGMODEL_PROFILE is {chosen!r}; give quick or full, or unset it")
    return "full" if _sees_gpu() else "quick"


def _sees_gpu():
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return any(device.platform == "gpu" for device in jax.devices())
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    raise ValueError(f"Keras runs on {backend!r}; the course supports tensorflow, jax and torch")
