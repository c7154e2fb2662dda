"""The setup of a chapter: seeds, profiles, and settings of the computer that must not matter."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import keras
import matplotlib as mpl
import nbclient
import nbformat
import numpy as np
import pytest

import bigmodel_utils as bmu
from bigmodel_utils import training


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    monkeypatch.delenv("BIGMODEL_SEED", raising=False)
    monkeypatch.delenv("BIGMODEL_PROFILE", raising=False)


def draws():
    return np.random.rand(2).tolist(), np.asarray(keras.random.normal((2,))).tolist()


@pytest.mark.parametrize("set_seed", [bmu.set_seed, lambda seed: bmu.setup(seed)[0]])
def test_one_seed_repeats_numpy_and_keras(set_seed):
    assert set_seed(3) == 3
    first = draws()
    set_seed(3)
    assert draws() == first
    set_seed(4)
    assert draws() != first


def test_the_environment_overrides_the_seed(monkeypatch):
    monkeypatch.setenv("BIGMODEL_SEED", "4")
    assert bmu.set_seed(0) == 4


@pytest.mark.parametrize("text", ["-1", "one", "1.5", " ", str(2**32)])
def test_a_seed_that_is_no_integer_is_refused(monkeypatch, text):
    monkeypatch.setenv("BIGMODEL_SEED", text)
    with pytest.raises(ValueError, match="BIGMODEL_SEED is .*; give an integer"):
        bmu.set_seed(0)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_environment_chooses_the_profile(monkeypatch, name):
    monkeypatch.setenv("BIGMODEL_PROFILE", name)
    assert bmu.profile() == name
    assert bmu.setup() == (0, name)


def test_quick_is_the_default_whatever_the_machine():
    """Nothing is asked of the machine: a backend with a GPU cannot change the answer."""
    code = "import sys, bigmodel_utils as bmu; print(bmu.profile(), 'keras' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert run.stdout == "quick False\n"


@pytest.mark.parametrize("name", ["fast", "Quick", " "])
def test_an_unknown_profile_is_refused(monkeypatch, name):
    monkeypatch.setenv("BIGMODEL_PROFILE", name)
    with pytest.raises(ValueError, match=f"BIGMODEL_PROFILE is '{name}'; give quick or full"):
        bmu.profile()


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("BIGMODEL_SEED", "")
    monkeypatch.setenv("BIGMODEL_PROFILE", "")
    assert bmu.set_seed(7) == 7
    assert bmu.setup(seed=2) == (2, "quick")


# --- settings that are undone ------------------------------------------------------------------


def ordinary_keras():
    """What layers and tensors are made with."""
    config = keras.config
    layer = keras.layers.Conv2D(2, 3)
    return (
        (config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy().name),
        (layer.compute_dtype, layer.variable_dtype, layer.data_format),
        keras.backend.standardize_dtype(keras.ops.zeros(1).dtype),
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("floatx", "float16"),
        ("floatx", "float64"),
        ("dtype_policy", "mixed_float16"),
        ("dtype_policy", "float64"),
        ("epsilon", 1e-3),
        ("image_data_format", "channels_first"),
    ],
)
def test_keras_computes_as_the_course_expects(setting, value):
    bmu.setup()
    before = ordinary_keras()
    assert before[0] == ("float32", 1e-7, "channels_last", "float32")
    getattr(keras.config, f"set_{setting}")(value)
    assert ordinary_keras() != before
    bmu.setup()
    assert ordinary_keras() == before


def test_limits_on_training_are_lifted():
    if not hasattr(keras.config, "set_max_epochs"):
        pytest.skip("this Keras reads no limits")
    keras.config.set_max_epochs(1)
    keras.config.set_max_steps_per_epoch(1)
    bmu.setup()
    assert keras.config.max_epochs() is None and keras.config.max_steps_per_epoch() is None


def test_a_users_keras_json_changes_nothing(tmp_path):
    """The whole way, in a process of its own: the file is read when Keras is imported."""
    (tmp_path / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 1e-4, "backend": "nothing", '
        '"image_data_format": "channels_first"}',
        encoding="utf-8",
    )
    code = (
        "import bigmodel_utils as bmu; bmu.setup(); import keras; c = keras.config\n"
        "print(c.floatx(), c.epsilon(), c.image_data_format(), c.dtype_policy().name)"
    )
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    variables = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": backend}
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=variables,
        encoding="utf-8",
    )
    assert run.stdout == "float32 1e-07 channels_last float32\n", run.stderr


@pytest.mark.parametrize("what", ["divide", "over", "invalid"])
def test_numpy_warns_and_does_not_raise(what):
    with np.errstate():
        np.seterr(**{what: "raise"})
        bmu.setup()
        ordinary = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
        assert np.geterr() == ordinary


@pytest.mark.parametrize(
    "option",
    [{"precision": 2}, {"suppress": True}, {"threshold": 3}, {"legacy": "1.13"}, {"sign": " "}],
)
def test_numpy_prints_as_on_the_page(option):
    x = np.append(10.0 ** np.arange(-9, 0, 1.25), np.nan)
    with np.printoptions():
        bmu.setup()
        before = str(x)
        assert before.startswith("[1.00000000e-09 1.77827941e-08")
        np.set_printoptions(**option)
        assert str(x) != before
        bmu.setup()
        assert str(x) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("text.usetex", True), ("savefig.dpi", 300.0), ("axes.unicode_minus", False)],
)
def test_a_users_matplotlib_style_is_undone(key, value):
    mpl.get_backend()  # resolves the choice, which is not a matter of style
    bmu.use_style()
    before = mpl.rcParams.copy()
    mpl.rcParams[key] = value
    mpl.rcParams["axes.grid"] = False
    bmu.setup()
    assert mpl.rcParams == before


def shown(tmp_path, monkeypatch, **variables):
    """What a kernel with these variables shows when a chapter draws."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    draw = (
        "from bigmodel_utils import plotting\n"
        "plotting.figures_on_the_page()\n"
        "import matplotlib.pyplot as plt\n"
        "plt.plot([1, 2])\n"
        "plt.show()"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(draw)])
    kernel = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=120)
    kernel.execute(cwd=str(tmp_path))
    return [kind for out in notebook.cells[0].outputs for kind in out.get("data", {})]


@pytest.mark.parametrize("backend", ["Agg", "pdf", "module://nowhere", ""])
def test_figures_appear_wherever_mplbackend_sends_them(tmp_path, monkeypatch, backend):
    assert "image/png" in shown(tmp_path, monkeypatch, MPLBACKEND=backend)


def test_figures_appear_where_a_startup_file_has_chosen_another_backend(tmp_path, monkeypatch):
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "user.py").write_text("import matplotlib\nmatplotlib.use('agg')\n", encoding="utf-8")
    assert "image/png" in shown(tmp_path, monkeypatch, IPYTHONDIR=str(tmp_path))


def test_outside_a_notebook_the_backend_of_figures_stays(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "svg")
    bmu.setup()
    assert os.environ["MPLBACKEND"] == "svg"


def test_flags_of_jax_are_put_back():
    jax = pytest.importorskip("jax")
    before = dict(jax.config.values)
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_debug_nans", True)
    training._reset_jax()
    assert dict(jax.config.values) == before


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "variable"), [(["-O"], ""), (["-OO"], ""), ([], "1"), ([], "2"), ([], "yes")]
)
def test_python_without_assertions_is_refused(options, variable):
    command = [sys.executable, *options, "-c", "import bigmodel_utils as bmu; bmu.setup()"]
    variables = {**os.environ, "PYTHONOPTIMIZE": variable}
    run = subprocess.run(command, capture_output=True, text=True, env=variables, encoding="utf-8")
    assert run.returncode == 1
    assert "RuntimeError: Python was started with -O or PYTHONOPTIMIZE" in run.stderr


@pytest.mark.parametrize("backend", ["numpy", "openvino", "mxnet"])
def test_another_backend_is_refused(monkeypatch, backend):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    message = f"the backend '{backend}' is not supported.* KERAS_BACKEND \\(now '{backend}'\\)"
    with pytest.raises(RuntimeError, match=message):
        bmu.setup()
    with pytest.raises(RuntimeError, match=f"gradient: Keras runs on '{backend}'"):
        bmu.gradient(keras.ops.sum, np.ones(2))


def test_keras_that_does_not_start_is_explained(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(RuntimeError, match="Keras cannot run the course") as failure:
        bmu.setup()
    assert f"keras.json in {tmp_path}" in str(failure.value)
    assert "needs one of tensorflow, jax and torch" in str(failure.value)


@pytest.mark.parametrize("text", ['{"floatx": "bfloat16"}', '{"backend": "nothing"}'])
def test_a_keras_json_that_keras_refuses_is_named(tmp_path, text):
    (tmp_path / "keras.json").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", "import bigmodel_utils as bmu; bmu.setup()"]
    variables = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    run = subprocess.run(command, capture_output=True, text=True, env=variables, encoding="utf-8")
    assert re.search(r"RuntimeError: Keras cannot run the course: .*keras\.json in", run.stderr)


def rounded(f, x):
    return 2 * np.float32(x)


def failing(f, x):
    raise TypeError("Cannot convert a MPS Tensor to float64 dtype")


@pytest.mark.parametrize(
    ("gradient", "reason"), [(rounded, "it rounds to float32"), (failing, "Cannot convert a MPS")]
)
def test_a_device_without_float64_is_refused(monkeypatch, gradient, reason):
    monkeypatch.setattr(training, "gradient", gradient)
    with pytest.raises(RuntimeError, match=f"float64 on this device.*{reason}.*Choose the CPU"):
        bmu.setup()


# --- Apple's GPU -------------------------------------------------------------------------------


@pytest.fixture
def mac(monkeypatch):
    """A fresh process on a Mac, as far as `setup` can see."""
    monkeypatch.setattr(
        training, "sys", SimpleNamespace(platform="darwin", modules={}, flags=sys.flags)
    )
    for variable in ("KERAS_TORCH_DEVICE", "JAX_PLATFORMS"):
        monkeypatch.setenv(variable, "")  # so that what setup writes is taken away again
        monkeypatch.delenv(variable)
    return training.sys


def test_on_a_mac_the_cpu_is_chosen_before_keras_starts(mac, monkeypatch):
    for device in ("", "mps", "cpu"):
        monkeypatch.setenv("KERAS_TORCH_DEVICE", device)
        bmu.setup()
        assert os.environ["KERAS_TORCH_DEVICE"] == os.environ["JAX_PLATFORMS"] == "cpu"
        mac.modules.clear()


def test_on_a_mac_keras_may_not_start_first(mac):
    mac.modules["keras"] = keras
    with pytest.raises(RuntimeError, match="Keras was imported before .* restart the kernel"):
        bmu.setup()


def test_on_a_mac_the_setup_may_be_run_again(mac):
    bmu.setup()
    mac.modules["keras"] = keras
    bmu.setup()


def test_elsewhere_the_gpu_stays(monkeypatch):
    for variable in ("KERAS_TORCH_DEVICE", "JAX_PLATFORMS"):
        monkeypatch.delenv(variable, raising=False)
    bmu.setup()
    assert not {"KERAS_TORCH_DEVICE", "JAX_PLATFORMS"} & set(os.environ)


def test_importing_the_package_loads_no_heavy_library():
    heavy = ["keras", "tensorflow", "jax", "torch", "matplotlib", "scipy", "sklearn"]
    code = f"import sys, bigmodel_utils; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert run.stdout.strip() == "[]"
