"""Seeds, profiles, and what an import costs."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import bigmodel_utils as bmu


def draws():
    return np.random.rand(2).tolist(), np.asarray(keras.random.normal((2,))).tolist()


def test_one_seed_repeats_numpy_and_keras(monkeypatch):
    monkeypatch.delenv("BIGMODEL_SEED", raising=False)
    assert bmu.set_seed(3) == 3
    first = draws()
    bmu.set_seed(3)
    assert draws() == first
    bmu.set_seed(4)
    assert draws() != first


def test_the_environment_overrides_the_seed(monkeypatch):
    monkeypatch.setenv("BIGMODEL_SEED", "4")
    assert bmu.set_seed(0) == 4


@pytest.mark.parametrize("text", ["", "-1", "one", "1.5"])
def test_a_seed_that_is_no_integer_is_refused(monkeypatch, text):
    monkeypatch.setenv("BIGMODEL_SEED", text)
    with pytest.raises(ValueError, match="BIGMODEL_SEED is .*; give an integer"):
        bmu.set_seed(0)


@pytest.mark.parametrize("name", ["quick", "full"])
def test_the_environment_chooses_the_profile(monkeypatch, name):
    monkeypatch.setenv("BIGMODEL_PROFILE", name)
    assert bmu.profile() == name


def test_the_profile_follows_the_machine(monkeypatch):
    monkeypatch.delenv("BIGMODEL_PROFILE", raising=False)
    for sees, name in [(False, "quick"), (True, "full")]:
        monkeypatch.setattr("bigmodel_utils.training._sees_gpu", lambda sees=sees: sees)
        assert bmu.profile() == name


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("BIGMODEL_PROFILE", "fast")
    with pytest.raises(ValueError, match="BIGMODEL_PROFILE is 'fast'; give quick or full"):
        bmu.profile()


def test_importing_the_package_loads_no_heavy_library():
    heavy = ["keras", "tensorflow", "jax", "torch", "matplotlib", "scipy", "sklearn"]
    code = f"import sys, bigmodel_utils; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
