"""What a notebook's outputs depend on, and what they must not depend on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tools import execute, inputs

ROOT = Path(__file__).parent.parent


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "bigmodel_utils").mkdir()
    (tmp_path / "bigmodel_utils" / "data.py").write_text("PINS = 1\n", encoding="utf-8")
    (tmp_path / "chapters").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def versions():
    return inputs.installed_versions()


@pytest.fixture
def environ(tmp_path, monkeypatch, versions):
    """An environment in which Keras has no settings, whatever the user's home holds."""
    monkeypatch.setattr(inputs, "installed_versions", lambda: versions)
    return {"PATH": os.environ["PATH"], "KERAS_HOME": str(tmp_path / "keras")}


def digest(tree, environ):
    settled = inputs.kernel_environment(tree, environ, tree / "state")
    return inputs.environment_digest(tree, settled)


def write_keras(environ, text):
    Path(environ["KERAS_HOME"]).mkdir(exist_ok=True)
    (Path(environ["KERAS_HOME"]) / "keras.json").write_text(text, encoding="utf-8")


CHANGES = {
    "the helper package": lambda t, e: (t / "bigmodel_utils" / "data.py").write_text(
        "PINS = 2\n", encoding="utf-8"
    ),
    "a new helper module": lambda t, e: (t / "bigmodel_utils" / "new.py").write_text(
        "", encoding="utf-8"
    ),
    "a renamed helper module": lambda t, e: (t / "bigmodel_utils" / "data.py").rename(
        t / "bigmodel_utils" / "other.py"
    ),
    "a module beside the chapters": lambda t, e: (t / "chapters" / "a.py").write_text(
        "A = 1\n", encoding="utf-8"
    ),
    "the profile": lambda t, e: e.update(BIGMODEL_PROFILE="full"),
    "the seed": lambda t, e: e.update(BIGMODEL_SEED="1"),
    "the data": lambda t, e: e.update(BIGMODEL_DATA="/somewhere"),
    "the backend": lambda t, e: e.update(KERAS_BACKEND="jax"),
    "the backend in keras.json": lambda t, e: write_keras(e, '{"backend": "torch"}'),
    "the float type": lambda t, e: write_keras(e, '{"floatx": "float16"}'),
    "the image format": lambda t, e: write_keras(e, '{"image_data_format": "channels_first"}'),
    "TensorFlow's kernels": lambda t, e: e.update(TF_ENABLE_ONEDNN_OPTS="0"),
    "the device": lambda t, e: e.update(CUDA_VISIBLE_DEVICES="1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_input_of_a_chapter_changes_the_digest(tree, environ, change):
    before = digest(tree, environ)
    assert digest(tree, dict(environ)) == before
    change(tree, environ)
    assert digest(tree, environ) != before


@pytest.mark.parametrize("version", ["keras==9", "a-new-package==1", None])
def test_every_installed_version_changes_the_digest(tree, environ, monkeypatch, versions, version):
    before = digest(tree, environ)
    assert any(one.startswith("keras==") for one in versions) and len(versions) > 50
    changed = versions[1:] if version is None else sorted({*versions, version})
    monkeypatch.setattr(inputs, "installed_versions", lambda: changed)
    assert digest(tree, environ) != before


DEFAULTS = '{"floatx": "float32", "epsilon": 1e-07, "image_data_format": "channels_last"'
NO_CHANGES = {
    "empty variables": lambda t, e: e.update(
        BIGMODEL_SEED="", BIGMODEL_PROFILE="", BIGMODEL_DATA=""
    ),
    "defaults that are named": lambda t, e: e.update(BIGMODEL_SEED="0", BIGMODEL_PROFILE="quick"),
    "the keras.json that Keras writes": lambda t, e: write_keras(
        e, DEFAULTS + ', "backend": "tensorflow"}'
    ),
    "a broken keras.json": lambda t, e: write_keras(e, "{"),
    "a keras.json that is no mapping": lambda t, e: write_keras(e, "[1]"),
    "another drawing backend": lambda t, e: e.update(MPLBACKEND="Agg", MATPLOTLIBRC="/x"),
    "Python's own variables": lambda t, e: e.update(PYTHONOPTIMIZE="1", PYTHONPATH="/x"),
    "the language": lambda t, e: e.update(LANG="de_DE.UTF-8", LC_ALL="C", TZ="Asia/Shanghai"),
    "the number of threads": lambda t, e: e.update(TF_NUM_INTRAOP_THREADS="1", OMP_NUM_THREADS="1"),
    "the verbosity": lambda t, e: e.update(TF_CPP_MIN_LOG_LEVEL="0"),
    "compiled files": lambda t, e: (
        (t / "bigmodel_utils" / "__pycache__").mkdir(),
        (t / "bigmodel_utils" / "__pycache__" / "data.pyc").write_bytes(b"1"),
    ),
    "line ends": lambda t, e: (t / "bigmodel_utils" / "data.py").write_bytes(b"PINS = 1\r\n"),
}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_no_output_changes_no_digest(tree, environ, change):
    before = digest(tree, environ)
    change(tree, environ)
    assert digest(tree, environ) == before


@pytest.mark.parametrize(
    "name", ["MPLBACKEND", "MPLCONFIGDIR", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "COLUMNS", "LC_TIME"]
)
def test_no_ambient_setting_reaches_a_kernel(tree, environ, name):
    ambient = inputs.kernel_environment(tree, {**environ, name: "7"}, tree)
    assert ambient == inputs.kernel_environment(tree, environ, tree)
    assert ambient["PATH"] == environ["PATH"]


def test_only_the_latest_caches_are_kept(tmp_path):
    for age in range(5):
        folder = tmp_path / f"cache{age}"
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    execute.prune(tmp_path.iterdir(), keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache0", "cache1"]


def write_notebook(path, *sources):
    cells = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), path)
    return path


def run(tree, path, **variables):
    """Execute one notebook of `tree` under ambient variables; give its executed copy."""
    target = inputs.stored_path(tree / "executed" / "digest", path)
    environ = inputs.kernel_environment(tree, {**os.environ, **variables}, tree)
    execute.execute({path: target}, environ, timeout=60, jobs=1)
    return nbformat.read(target, as_version=4)


def test_a_kernel_is_this_interpreter_in_a_settled_environment(tree, monkeypatch, capfd):
    """A foreign kernel of the same name, a startup script, switched-off asserts: none is used."""
    kernel = tree / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    foreign = {"argv": ["false", "{connection_file}"], "display_name": "P", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(foreign), encoding="utf-8")
    startup = tree / "profile" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "0.py").write_text("leaked = True\n", encoding="utf-8")
    for name, value in {"JUPYTER_PATH": str(tree / "jupyter"), "MPLBACKEND": "Agg"}.items():
        monkeypatch.setenv(name, value)
    path = write_notebook(
        tree / "chapters" / "a.ipynb",
        "import os, sys\nos.write(2, b'noise of a backend\\n')\nprint(sys.executable, __debug__)",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "import bigmodel_utils.data\nprint('leaked' in globals(), bigmodel_utils.data.PINS)",
    )
    ambient = {"PYTHONOPTIMIZE": "1", "IPYTHONDIR": str(tree / "profile"), "PYTHONPATH": "/x"}
    code = run(tree, path, **ambient).cells
    said = [out.text for out in code[0].outputs if out.name == "stdout"]
    assert said == [f"{sys.executable} True\n"]
    assert "image/png" in code[1].outputs[-1].data
    assert code[2].outputs[0].text == "False 1\n"
    shown = "".join(capfd.readouterr())
    assert shown.startswith("a.ipynb ran in") and shown.count("\n") == 1


FAILURES = {
    "an exception": ("raise RuntimeError('the cell failed')", "RuntimeError: the cell failed"),
    "an assertion": ("assert 1 > 2, 'one is not more'", "AssertionError: one is not more"),
    "a kernel that dies": (
        "import os\nos.write(2, b'my last words')\nos._exit(3)",
        "my last words",
    ),
}


@pytest.mark.parametrize(("source", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_says_why_and_nothing_is_kept(tree, source, message):
    path = write_notebook(tree / "chapters" / "bad.ipynb", source)
    with pytest.raises(SystemExit, match=f"(?s)not built.*bad.ipynb.*{message}"):
        run(tree, path)
    assert list((tree / "executed").rglob("*.ipynb")) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_ends_soon_and_keeps_nothing_unfinished(tree, ending):
    path = write_notebook(
        tree / "chapters" / "a.ipynb",
        "import os, time\nwith open('pid', 'w') as note: note.write(f'{os.getpid()}\\n')",
        "time.sleep(100)",
    )
    program = (
        "import os, signal, sys; from pathlib import Path\nfrom tools import execute, inputs\n"
        # A shell starts what runs in the background with this signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "tree = Path(sys.argv[1]); path = tree / 'chapters' / 'a.ipynb'\n"
        "environ = inputs.kernel_environment(tree, os.environ, tree)\n"
        "execute.execute({path: tree / 'executed' / 'd' / 'a-0.ipynb'}, environ, 200, 1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, tree], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    note = path.with_name("pid")
    wait_for(lambda: note.exists() and note.read_text(encoding="utf-8").endswith("\n"))
    process.send_signal(ending)
    assert process.wait(timeout=60) != 0
    kernel = int(note.read_text(encoding="utf-8"))
    wait_for(lambda: not alive(kernel))
    assert list((tree / "executed").rglob("*.ipynb*")) == []


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (
        status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    )


def test_outputs_go_to_the_cells_of_the_same_code_and_words_stay(tree):
    path = write_notebook(tree / "chapters" / "a.ipynb", "1 + 1", "print('b')")
    executed = inputs.read_notebook(path)
    for number, cell in enumerate(inputs.code_cells(executed), start=1):
        cell |= {"outputs": [{"output_type": "stream", "name": "stdout", "text": str(number)}]}
        cell["execution_count"] = number
    notebook = inputs.read_notebook(path)
    words = {"cell_type": "markdown", "id": "w", "metadata": {}, "source": "Words"}
    notebook["cells"].insert(1, words)
    shown = inputs.with_outputs(notebook, executed)
    assert [c.get("execution_count") for c in shown["cells"]] == [1, None, 2]
    assert shown["cells"][2]["outputs"][0]["text"] == "2"
    assert shown["cells"][1] == words


def test_what_the_code_says_names_the_executed_copy(tree):
    chapters, store = tree / "chapters", tree / "store"
    first = inputs.stored_path(store, write_notebook(chapters / "a.ipynb", "x = 1"))
    notebook = nbformat.read(chapters / "a.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("Words"))
    nbformat.write(notebook, chapters / "a.ipynb")
    assert inputs.stored_path(store, chapters / "a.ipynb") == first
    others = [("x = 2",), ("x = 1", ""), ("",)]
    names = {inputs.stored_path(store, write_notebook(chapters / "a.ipynb", *o)) for o in others}
    assert first not in names and len(names) == 3
