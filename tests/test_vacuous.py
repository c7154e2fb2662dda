"""Assertions that cannot fail are found, and those that can fail are left alone."""

import ast

import pytest
from vacuous import vacuous

CANNOT_FAIL = [
    # constants
    "assert True",
    "assert 1",
    'assert "the areas agree"',
    "assert 2 + 2 == 4",
    "assert 1 < 2 < 3",
    "assert not False",
    "assert not []",
    "assert all([])",
    "assert len([1, 2]) == 2",
    'bmu.assert_close(1.0, 1.0, "one")',
    'bmu.assert_at_least(3, 2, "three")',
    # what counts as true
    'assert (a == b, "they differ")',
    "assert [x > 0 for x in xs]",
    "assert (x > 0 for x in xs)",
    "assert lambda x: x > 0",
    "assert (a == b).all",
    "assert np.allclose",
    "def right(x):\n    return x > 0\nassert right",
    "assert a, b == c",
    # comparisons with itself
    "assert a == a",
    "assert a.shape == a.shape",
    "assert x[0] <= x[0]",
    "assert (a == a).all()",
    "assert np.all(a >= a)",
    "assert a in [a, b]",
    "assert a is a",
    "assert not a != a",
    "assert not a < a",
    "assert np.abs(a).max() == np.abs(a).max()",
    "assert all(x == x for x in xs)",
    "assert all((a == a, len(b) >= 0))",
    "assert np.allclose(a, a)",
    "assert np.array_equal(a + b, a + b)",
    'bmu.assert_close(a, a, "areas")',
    'bmu.assert_close(actual=a, expected=a, label="areas")',
    'bmu.assert_close(np.sum(a), np.sum(a), "sums")',
    'bmu.assert_at_least(value, value, "value")',
    'bmu.assert_at_most(value, value, "value")',
    "np.testing.assert_allclose(a, a)",
    "np.testing.assert_array_equal(a[1:], a[1:])",
    "b = a\nassert a == b",
    'b = a\nbmu.assert_close(b, a, "areas")',
    # or, and, not
    "assert a == b or True",
    "assert True or a == b",
    "assert a == b or a == a",
    "assert a == a and len(b) >= 0",
    "assert (1 if a else 2)",
    # what is never negative, and what is never beyond infinity
    "assert abs(a - b) >= 0",
    "assert np.abs(a - b).max() >= 0",
    "assert np.max(np.abs(a - b)) >= 0",
    "assert 0 <= len(words)",
    "assert len(words) > -1",
    "assert np.linalg.norm(a) >= 0.0",
    "assert (a - b) ** 2 >= 0",
    "assert ((a - b) ** 2).sum() >= 0",
    "assert a * a >= 0",
    "assert a.size >= 0",
    "assert a.shape[0] >= 0",
    "assert np.std(a) >= 0",
    "assert not len(words) < 0",
    "assert isinstance(a, object)",
    "assert a <= np.inf",
    "assert a >= -float('inf')",
    "assert a <= math.inf",
    'bmu.assert_at_least(abs(a), 0, "size")',
    'bmu.assert_at_least(a, -np.inf, "a")',
    'bmu.assert_at_most(a, float("inf"), "a")',
    # tolerances
    'bmu.assert_close(a, b, "areas", rtol=np.inf)',
    'bmu.assert_close(a, b, "areas", 1.0)',
    'bmu.assert_close(a, b, "areas", 1e-7, 1e9)',
    "np.testing.assert_allclose(a, b, rtol=10)",
    "np.testing.assert_allclose(a, b, 1e-7, np.inf)",
    "assert np.allclose(a, b, atol=1e8)",
    "assert np.isclose(a, b, rtol=2.0).all()",
    # branches that never run, failures that nobody hears of
    "if False:\n    assert a == b",
    "if 0:\n    assert a == b",
    "while False:\n    assert a == b",
    "if True:\n    pass\nelse:\n    assert a == b",
    "for k in []:\n    assert a == b",
    "for k in range(0):\n    assert a == b",
    "def f():\n    return 1\n    assert a == b\nf()",
    "for k in ks:\n    continue\n    assert a == b",
    "try:\n    assert a == b\nexcept Exception:\n    pass",
    "try:\n    assert a == b\nexcept AssertionError:\n    print('no')",
    "try:\n    assert a == b\nexcept (ValueError, AssertionError):\n    pass",
    "try:\n    bmu.assert_close(a, b, 'areas')\nexcept:\n    pass",
    "with contextlib.suppress(AssertionError):\n    assert a == b",
    "def never_called():\n    assert a == b",
    # inside something
    "for a in xs:\n    if a:\n        assert len(a) >= 0",
    "with open(p) as f:\n    assert f == f",
]

CAN_FAIL = [
    "assert a == b",
    "assert a == -a",
    "assert a != a",
    "assert a < a",
    "assert not a == a",
    "assert a.shape == b.shape",
    "assert ok",
    "assert not wrong",
    'assert a == b, "they differ"',
    'assert a, f"{a} is {b == c}"',
    "assert (a == b).all()",
    "assert all(x > 0 for x in xs)",
    "assert any(found)",
    "assert a == b or a == c",
    "assert a == a and a == b",
    "assert a == (b or True)",
    "assert sample(0) == sample(0)",
    "assert rng.random() == rng.random()",
    "assert model(x) == model(x)",
    "assert np.random.rand() == np.random.rand()",
    "assert a.copy() is a",
    "b = a.copy()\nassert a == b",
    "b = a\nb = f(b)\nassert a == b",
    "b = a\na = f(a)\nassert a == b",
    "assert abs(a - b) > 0",
    "assert abs(a - b) <= 0",
    "assert len(words) >= 1",
    "assert len(words) > 0",
    "assert 0 <= a < 1",
    "assert 0 <= abs(a) < 3",
    "assert a - b >= 0",
    "assert abs(a) - abs(b) >= 0",
    "assert a ** 3 >= 0",
    "assert a * b >= 0",
    "assert a < np.inf",
    "assert np.isfinite(a)",
    "assert isinstance(a, dict)",
    "assert math.comb(48, 12) > 6e10",
    'bmu.assert_close(a, b, "areas")',
    'bmu.assert_close(a, b, "areas", rtol=0.2, atol=100.0)',
    'bmu.assert_close(draw(), draw(), "draws")',
    'bmu.assert_at_least(value, 0, "value")',
    'bmu.assert_at_least(abs(a), 0.1, "size")',
    'bmu.assert_at_most(abs(a), 0, "size")',
    "np.testing.assert_allclose(a, b)",
    "np.testing.assert_array_less(a, a)",
    "if backend == 'jax':\n    assert a == b",
    "if True:\n    assert a == b",
    "for k in range(3):\n    assert a == b",
    "for k in ks:\n    if k:\n        continue\n    assert a == b",
    "def f():\n    assert a == b\nf()",
    "try:\n    wrong(a)\nexcept ValueError:\n    assert a == b",
    "try:\n    assert a == b\nexcept ValueError:\n    pass",
    "try:\n    assert a == b\nexcept AssertionError:\n    raise RuntimeError('no') from None",
    "try:\n    wrong(a)\nexcept Exception as error:\n    assert 'shape' in str(error)",
    "with contextlib.suppress(KeyError):\n    assert a == b",
]


@pytest.mark.parametrize("source", CANNOT_FAIL)
def test_what_cannot_fail_is_found_once(source):
    found = vacuous(source)
    assert len(found) == 1, found
    line, reason = found[0]
    assert "assert" in source.splitlines()[line - 1] and reason


@pytest.mark.parametrize("source", CAN_FAIL)
def test_what_can_fail_is_left_alone(source):
    assert vacuous(source) == []


def test_a_function_that_another_cell_calls_is_left_alone():
    source = "def compare(a, b):\n    assert a == b"
    assert vacuous(source, {"compare"}) == []
    assert vacuous(source, {"other"}) == [(2, "nothing calls compare")]


def test_several_are_found_in_the_order_of_the_text():
    source = "assert a == a\nassert a == b\nif False:\n    assert a == c\nassert True"
    assert vacuous(source) == [
        (1, "compared with itself"),
        (4, "the branch never runs"),
        (5, "a constant"),
    ]


def test_the_source_is_not_changed():
    source = "b = a\nassert a == b"
    before = ast.dump(ast.parse(source))
    vacuous(source)
    assert ast.dump(ast.parse(source)) == before
