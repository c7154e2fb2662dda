"""Gradients two ways, and comparisons whose messages say what failed."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import bigmodel_utils as bmu
from bigmodel_utils import checks

DTYPES = ["float32", "float64"]


def cubic(x):
    return ops.sum(x**3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_has_the_value_shape_and_dtype_of_the_derivative(dtype):
    x = np.linspace(-1, 2, 6, dtype=dtype).reshape(2, 3)
    grad = bmu.gradient(cubic, x)
    assert grad.dtype == dtype and grad.shape == x.shape
    np.testing.assert_allclose(grad, 3 * x**2, rtol=1e-5 if dtype == "float32" else 1e-13)


def test_gradient_in_float64_keeps_its_precision():
    # 1 + 1e-10 is 1 in float32: a backend that cut the type down would return exactly 3.
    grad = bmu.gradient(cubic, np.array([1 + 1e-10]))
    assert abs(grad[0] - (3 + 6e-10)) < 1e-14


def test_gradient_of_several_arrays_is_a_tuple():
    a, b, unused = np.arange(6.0).reshape(2, 3), np.ones((3, 2)), np.ones(4)
    grads = bmu.gradient(lambda a, b, u: ops.sum(ops.matmul(a, b)), (a, b, unused))
    assert isinstance(grads, tuple)
    np.testing.assert_allclose(grads[0], np.full((2, 3), 2.0))
    np.testing.assert_allclose(grads[1], np.repeat(a.sum(0)[:, None], 2, axis=1))
    np.testing.assert_array_equal(grads[2], np.zeros(4))


def test_gradient_of_what_depends_on_nothing_is_zero():
    grad = bmu.gradient(lambda x: ops.sum(ops.stop_gradient(x) ** 2), np.ones((2, 3)))
    np.testing.assert_array_equal(grad, np.zeros((2, 3)))


@pytest.mark.parametrize("place", ["jax", "jax.experimental"])
def test_gradient_finds_the_64_bit_mode_of_old_and_new_jax(monkeypatch, place):
    """A stand-in for JAX whose mode stands where 0.8 and later, or earlier releases, have it."""
    modes = [False]

    @contextlib.contextmanager
    def enable_x64(new):
        modes.append(new)
        yield
        modes.pop()

    def asarray(a):
        return np.asarray(a, "float64" if modes[-1] else "float32")

    fakes = {name: ModuleType(name) for name in ("jax", "jax.experimental")}
    fakes["jax"].numpy = SimpleNamespace(asarray=asarray)
    fakes["jax"].grad = lambda f, argnums: lambda *tensors: [3 * t**2 for t in tensors]
    fakes[place].enable_x64 = enable_x64
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert abs(bmu.gradient(cubic, np.array([1 + 1e-10]))[0] - (3 + 6e-10)) < 1e-14
    assert modes == [False]


class AppleTensor:
    """As much of a PyTorch tensor as `gradient` touches; on Apple's GPU it holds no float64."""

    device, requires_grad, shape = "mps", True, ()

    def __init__(self, value):
        value = np.asarray(value)
        if self.device == "mps" and value.dtype == np.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        self.value = value

    def same(self, *_):
        return self

    detach = clone = cpu = requires_grad_ = same

    def numpy(self):
        return self.value


@pytest.mark.parametrize("x", [1.5, np.arange(3.0), np.ones((2, 0, 3)), np.float32(2)])
def test_gradient_uses_the_cpu_where_pytorch_would_use_apples_gpu(monkeypatch, x):
    """A stand-in for PyTorch on a Mac: tensors live on the GPU unless Keras is told otherwise."""

    @contextlib.contextmanager
    def device(name):
        with monkeypatch.context() as context:
            context.setattr(AppleTensor, "device", name)
            yield

    torch = ModuleType("torch")
    torch.backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True))
    torch.autograd = SimpleNamespace(grad=lambda value, tensors, allow_unused: tensors)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(keras, "device", device)
    monkeypatch.setattr(ops, "convert_to_tensor", AppleTensor)
    [got] = checks._torch(lambda t: t, [np.asarray(x)])
    np.testing.assert_array_equal(got, x)
    assert AppleTensor.device == "mps"


@pytest.mark.parametrize("x", [1.5, np.arange(3.0), np.float32(2)])
def test_gradient_with_pytorch_itself_where_keras_chooses_apples_gpu(monkeypatch, x):
    torch = pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr("keras.src.backend.torch.core.DEFAULT_DEVICE", "mps")
    np.testing.assert_allclose(bmu.gradient(cubic, x), 3 * x**2)


def test_gradient_refuses_a_vector_valued_function():
    with pytest.raises(ValueError, match=r"must return a scalar, it returned shape \(3,\)"):
        bmu.gradient(lambda x: x**2, np.ones(3))


def test_gradient_refuses_integers():
    with pytest.raises(TypeError, match="argument 0 has dtype int64"):
        bmu.gradient(cubic, np.arange(3))


def test_numerical_gradient_agrees_with_calculus_and_leaves_its_input():
    x = np.linspace(-1, 1, 6).reshape(3, 2)
    before = x.copy()
    grad = bmu.numerical_gradient(lambda z: np.sum(np.sin(z) * z), x)
    np.testing.assert_allclose(grad, np.sin(x) + x * np.cos(x), atol=1e-9)
    np.testing.assert_array_equal(x, before)


def test_numerical_gradient_of_a_scalar_point():
    np.testing.assert_allclose(bmu.numerical_gradient(lambda z: z**2, 3.0), 6.0, rtol=1e-9)


def test_numerical_gradient_refuses_bad_input():
    with pytest.raises(ValueError, match=r"must return a scalar, it returned shape \(2,\)"):
        bmu.numerical_gradient(lambda z: z, np.ones(2))
    with pytest.raises(ValueError, match="step must be positive, it is 0"):
        bmu.numerical_gradient(np.sum, np.ones(2), step=0)


def test_the_two_gradients_find_a_wrong_derivation():
    x = np.linspace(0.5, 2, 5)
    wrong = 2 * x**2
    with pytest.raises(AssertionError, match="eq-cubic: 5 of 5 entries disagree"):
        bmu.assert_close(wrong, bmu.gradient(cubic, x), "eq-cubic", rtol=1e-6)


def test_assert_close_names_label_deviation_and_place():
    actual = np.array([[1.0, 2.0], [3.0, 4.5]])
    with pytest.raises(AssertionError) as failure:
        bmu.assert_close(actual, [[1, 2], [3, 4]], "prf-sample", atol=0.1)
    message = str(failure.value)
    for part in ("prf-sample", "1 of 4", "(1, 1)", "4.5 instead of 4", "0.5", "0.1 is allowed"):
        assert part in message


def test_assert_close_adds_its_two_allowances():
    bmu.assert_close([1.25], [1.0], "both", rtol=0.125, atol=0.125)
    with pytest.raises(AssertionError):
        bmu.assert_close([1.26], [1.0], "both", rtol=0.125, atol=0.125)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_assert_close_never_accepts_what_is_not_finite(bad):
    with pytest.raises(
        AssertionError, match=r"1 of 2 entries disagree; the worst is at index \(1,\)"
    ):
        bmu.assert_close([1.0, bad], [1.0, 1.0], "finite", atol=1e9)
    with pytest.raises(AssertionError):
        bmu.assert_close([1.0], [np.nan], "finite", atol=1e9)


def test_assert_close_accepts_equal_infinities_and_empty_arrays():
    bmu.assert_close([-np.inf, 1.0], [-np.inf, 1.0], "masked scores")
    bmu.assert_close(np.ones((0, 3)), np.ones((0, 3)), "no rows")


def test_assert_close_does_not_broadcast():
    with pytest.raises(AssertionError, match=r"shape \(3,\) instead of \(\)"):
        bmu.assert_close(np.ones(3), 1.0, "shapes")


@pytest.mark.parametrize("value", [0.96, np.nan])
def test_bounds_name_label_and_distance(value):
    with pytest.raises(AssertionError, match="accuracy: .* is below the bound 0.97"):
        bmu.assert_at_least(value, 0.97, "accuracy")
    with pytest.raises(AssertionError, match="error: .* is above the bound 0.95"):
        bmu.assert_at_most(value, 0.95, "error")
    bmu.assert_at_least(0.97, 0.97, "accuracy")
    bmu.assert_at_most(0.95, 0.95, "error")
