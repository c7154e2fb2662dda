"""Checks of a derivation: gradients two ways, and comparisons that say what went wrong."""

import contextlib

import numpy as np


def gradient(f, x):
    """Differentiate a scalar function with the automatic differentiation of Keras's backend.

    Args:
        f: callable written with `keras.ops`; takes one tensor (or as many as `x` has arrays)
            and returns a scalar tensor.
        x: float32 or float64 array of any shape, or a tuple or list of such arrays.

    Returns:
        array of the shape and dtype of `x`, or a tuple of arrays where `x` is a tuple or list.
        An array on which `f` does not depend has gradient zero.

    Raises:
        TypeError: if an array is not float32 or float64.
        ValueError: if `f` does not return a scalar.
        RuntimeError: if Keras runs on a backend that cannot differentiate.

    Source: Baydin, Pearlmutter, Radul & Siskind 2018, Journal of Machine Learning Research 18,
        section 3.2 (reverse mode).
    """
    import keras

    several = isinstance(x, (tuple, list))
    arrays = [np.asarray(a) for a in (x if several else [x])]
    for i, a in enumerate(arrays):
        if a.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"gradient: argument {i} has dtype {a.dtype}; give float32 or float64, "
                "for example with x.astype('float64')"
            )
    backend = keras.backend.backend()
    differentiate = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}.get(backend)
    if differentiate is None:
        raise RuntimeError(f"gradient: Keras runs on {backend!r}; give tensorflow, jax or torch")
    grads = differentiate(f, arrays)
    grads = [np.asarray(g, dtype=a.dtype) for g, a in zip(grads, arrays, strict=True)]
    return tuple(grads) if several else grads[0]


def _require_scalar(value):
    shape = tuple(value.shape)
    if shape != ():
        raise ValueError(f"gradient: f must return a scalar, it returned shape {shape}")
    return value


def _tensorflow(f, arrays):
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = _require_scalar(f(*tensors))
    return [g.numpy() for g in tape.gradient(value, tensors, unconnected_gradients="zero")]


def _jax(f, arrays):
    import jax

    if hasattr(jax, "enable_x64"):
        enable_x64 = jax.enable_x64
    else:  # before 0.8
        from jax.experimental import enable_x64
    # Without 64-bit mode JAX would silently cut float64 down to float32.
    with enable_x64(True):
        tensors = [jax.numpy.asarray(a) for a in arrays]
        everything = tuple(range(len(tensors)))
        grads = jax.grad(lambda *t: _require_scalar(f(*t)), argnums=everything)(*tensors)
        return [np.asarray(g) for g in grads]


def _torch(f, arrays):
    import keras
    import torch
    from keras import ops

    # Apple's GPU has no float64.
    on_apple = torch.backends.mps.is_available()
    with keras.device("cpu") if on_apple else contextlib.nullcontext():
        tensors = [ops.convert_to_tensor(a).detach().clone().requires_grad_(True) for a in arrays]
        value = _require_scalar(f(*tensors))
    if not value.requires_grad:  # PyTorch refuses to differentiate what depends on nothing
        value = value + 0 * tensors[0].sum()
    grads = torch.autograd.grad(value, tensors, allow_unused=True)
    pairs = zip(grads, tensors, strict=True)
    return [(torch.zeros_like(t) if g is None else g).cpu().numpy() for g, t in pairs]


def numerical_gradient(f, x, step=1e-6):
    """Differentiate a scalar function by central differences, in float64.

    Args:
        f: callable, takes a float64 array shaped like `x`, returns a scalar.
        x: array of any shape, at which the gradient is wanted.
        step: float, half the distance between the two points of a difference.

    Returns:
        float64 array of the shape of `x`; the error is of order `step**2` plus rounding of order
        `1e-16 / step` times the size of `f`.

    Raises:
        ValueError: if `f` does not return a scalar, or `step` is not positive.

    Source: Nocedal & Wright 2006, *Numerical Optimization*, section 8.1.
    """
    if not step > 0:
        raise ValueError(f"numerical_gradient: step must be positive, it is {step}")
    x = np.array(x, dtype="float64")
    result = np.empty_like(x)
    for index in np.ndindex(x.shape):
        centre = x[index]
        values = []
        for shifted in (centre + step, centre - step):
            x[index] = shifted
            value = np.asarray(f(x.copy()), dtype="float64")
            if value.shape != ():
                raise ValueError(
                    f"numerical_gradient: f must return a scalar, it returned shape {value.shape}"
                )
            values.append(float(value))
        x[index] = centre
        result[index] = (values[0] - values[1]) / (2 * step)
    return result


def assert_close(actual, expected, label, rtol=1e-7, atol=0.0):
    """Fail unless two arrays agree, saying which label failed, by how much, and where.

    Args:
        actual: array of any shape, the value under test.
        expected: array of the same shape, the value to trust.
        label: str, what is compared, for example `"eq-word-embeddings-sgns-grad"`.
        rtol: float, allowed deviation as a fraction of `expected`.
        atol: float, allowed deviation in absolute terms; the two allowances add.

    Raises:
        AssertionError: if the shapes differ, or any entry deviates by more than
            `atol + rtol * abs(expected)`. An entry that is not a number never agrees.
    """
    actual = np.asarray(actual, dtype="float64")
    expected = np.asarray(expected, dtype="float64")
    if actual.shape != expected.shape:
        raise AssertionError(f"{label}: shape {actual.shape} instead of {expected.shape}")
    allowed = atol + rtol * np.abs(expected)
    with np.errstate(invalid="ignore"):
        deviation = np.where(actual == expected, 0.0, np.abs(actual - expected))
        wrong = ~(deviation <= allowed)
    if not wrong.any():
        return
    excess = np.where(wrong, np.nan_to_num(deviation - allowed, nan=np.inf, posinf=np.inf), -np.inf)
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    where = tuple(int(i) for i in worst)
    raise AssertionError(
        f"{label}: {int(wrong.sum())} of {wrong.size} entries disagree; the worst is at index "
        f"{where}: {actual[worst]:.10g} instead of {expected[worst]:.10g}, a deviation of "
        f"{deviation[worst]:.3g} where {allowed[worst]:.3g} is allowed"
    )


def assert_at_least(value, bound, label):
    """Fail unless `value >= bound`, naming `label` and the distance that is missing.

    Args:
        value: float, the measured number.
        bound: float, the smallest value that passes.
        label: str, what was measured.

    Raises:
        AssertionError: if `value` is below `bound` or is not a number.
    """
    if not value >= bound:
        raise AssertionError(
            f"{label}: {value:.6g} is below the bound {bound:.6g} by {bound - value:.3g}"
        )


def assert_at_most(value, bound, label):
    """Fail unless `value <= bound`, naming `label` and the excess.

    Args:
        value: float, the measured number.
        bound: float, the largest value that passes.
        label: str, what was measured.

    Raises:
        AssertionError: if `value` is above `bound` or is not a number.
    """
    if not value <= bound:
        raise AssertionError(
            f"{label}: {value:.6g} is above the bound {bound:.6g} by {value - bound:.3g}"
        )
