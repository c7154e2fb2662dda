"""Settings of a chapter's run: its seed, its profile, and a setup that is the same everywhere."""

import os
import sys

from bigmodel_utils.checks import gradient
from bigmodel_utils.plotting import figures_on_the_page, use_style


def setup(seed=0):
    """Prepare the run of a chapter: call it before `import keras`.

    Settings of the user or the computer that would change what a chapter computes or shows are
    undone: those of Keras (`keras.json`), JAX, NumPy and Matplotlib. What cannot be undone is
    refused. On a Mac, PyTorch and JAX run on the CPU, since Apple's GPU has no float64. Then the
    seed, the profile and the style of figures are set.

    Args:
        seed: int, the seed unless the environment variable `BIGMODEL_SEED` names another.

    Returns:
        seed: int, the seed in use.
        profile: str, `"quick"` or `"full"`.

    Raises:
        RuntimeError: if Python leaves out assertions, Keras cannot start or runs on another backend
            than TensorFlow, JAX and PyTorch, or the device cannot differentiate in float64.
        ValueError: if `BIGMODEL_SEED` or `BIGMODEL_PROFILE` has a value that is not allowed.
    """
    if sys.flags.optimize:
        raise RuntimeError(
            "Python was started with -O or PYTHONOPTIMIZE, which leaves out every assertion, so no "
            "check would check anything; start it without, and run the notebook again"
        )
    name = profile()
    if sys.platform == "darwin":
        _keep_off_apples_gpu()
    _reset_keras()
    _reset_numpy()
    figures_on_the_page()
    use_style()
    seed = set_seed(seed)
    _require_float64()
    return seed, name


def set_seed(default=0):
    """Seed Python, NumPy and Keras's backend.

    Args:
        default: int, the seed unless the environment variable `BIGMODEL_SEED` names another.

    Returns:
        int, the seed in use.

    Raises:
        ValueError: if `BIGMODEL_SEED` is not an integer of 0 or more, below 2**32.
    """
    text = os.environ.get("BIGMODEL_SEED") or str(default)
    if not text.isdecimal() or int(text) >= 2**32:
        raise ValueError(f"BIGMODEL_SEED is {text!r}; give an integer of 0 or more, such as 0")
    import keras

    seed = int(text)
    keras.utils.set_random_seed(seed)
    return seed


def profile():
    """Choose the sizes a chapter runs with.

    Returns:
        `"quick"`, whatever the machine, unless the environment variable `BIGMODEL_PROFILE` asks
        for `"full"`.

    Raises:
        ValueError: if `BIGMODEL_PROFILE` is neither `quick` nor `full`.
    """
    chosen = os.environ.get("BIGMODEL_PROFILE") or "quick"
    if chosen not in ("quick", "full"):
        raise ValueError(f"BIGMODEL_PROFILE is {chosen!r}; give quick or full, or unset it")
    return chosen


def _keep_off_apples_gpu():
    """Choose the CPU for PyTorch and JAX, which read these variables when they start."""
    if "keras" in sys.modules and os.environ.get("KERAS_TORCH_DEVICE") != "cpu":
        raise RuntimeError(
            "Keras was imported before bmu.setup() could choose the CPU (Apple's GPU has no "
            "float64); restart the kernel and run the cells from the top"
        )
    os.environ["KERAS_TORCH_DEVICE"] = os.environ["JAX_PLATFORMS"] = "cpu"


def _reset_keras():
    try:
        import keras

        backend = keras.backend.backend()
        if backend not in ("tensorflow", "jax", "torch"):
            raise ValueError(f"the backend {backend!r} is not supported")
    except Exception as error:
        raise RuntimeError(
            f"Keras cannot run the course: {error}. It needs one of tensorflow, jax and torch, "
            "installed, and named in the environment variable KERAS_BACKEND (now "
            f"{os.environ.get('KERAS_BACKEND', '')!r}) or in the file keras.json in "
            f"{os.environ.get('KERAS_HOME') or '~/.keras'}; change that, then restart the kernel"
        ) from error
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    if hasattr(keras.config, "set_max_epochs"):  # Keras 3.10 and later read limits on training
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)
    if backend == "jax":
        _reset_jax()


def _reset_jax():
    import jax

    jax.config.update("jax_enable_x64", False)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_numpy_rank_promotion", "allow")
    jax.config.update("jax_default_matmul_precision", None)
    jax.config.update("jax_default_prng_impl", "threefry2x32")
    jax.config.update("jax_disable_jit", False)
    jax.config.update("jax_debug_nans", False)
    jax.config.update("jax_debug_infs", False)


def _reset_numpy():
    import numpy as np

    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    np.set_printoptions(
        precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False, nanstr="nan"
    )
    np.set_printoptions(infstr="inf", formatter=None, sign="-", floatmode="maxprec", legacy=False)


def _require_float64():
    import numpy as np
    from keras import ops

    x = np.array([1 + 1e-10])  # 1 in float32
    try:
        if gradient(lambda x: ops.sum(x**2), x)[0] == 2 * x[0]:
            return
        reason = "it rounds to float32"
    except Exception as error:
        reason = error
    raise RuntimeError(
        f"Keras cannot differentiate in float64 on this device, as the checks must: {reason}. "
        "Choose the CPU with KERAS_TORCH_DEVICE=cpu (PyTorch), JAX_PLATFORMS=cpu (JAX) or "
        "CUDA_VISIBLE_DEVICES=-1 (TensorFlow), then restart the kernel"
    )
