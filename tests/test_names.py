"""The rule for names, on small notebooks: each string is a cell."""

import pytest
from names import rebound

HARMLESS = {
    "one binding, many readers": ["x = 1", "print(x)", "y = x + 1", "print(x, y)"],
    "updates within one cell": ["x = 1\nx += 1\nx = 2 * x", "print(x)"],
    "a loop variable in every cell": [
        "for i in range(3):\n    print(i)",
        "for i in range(4):\n    print(i)",
    ],
    "scratch names bound before they are read": [
        "figure, (left, right) = [1, [2, 3]]\nprint(figure, left)",
        "figure, (left, right) = [4, [5, 6]]\nprint(right, figure)",
    ],
    "with, walrus and starred targets": [
        "with open('a') as f:\n    print(f)\nif (n := 3) > 2:\n    print(n)\na, *b = [n]\nprint(b)",
        "with open('b') as f:\n    print(f)\nif (n := 4) > 2:\n    print(n)\na, *b = [n]\nprint(b)",
    ],
    "a comprehension's variable is its own": [
        "x = 5\nprint(x)",
        "y = [x for x in range(3)]\nz = {x: k for k, x in enumerate(y) if x}\nprint(x)",
    ],
    "a comprehension's variable, bound twice elsewhere": ["x = 5", "x = 6", "[x for x in [7]]"],
    "arguments and locals of functions": [
        "x = 5",
        "def f(x, k=2):\n    n = x + k\n    return [n + i for i in range(k)]",
        "n = f(x)\nprint(n)",
        "g = lambda k, *n, **i: (k, n, i)\nprint(x)",
    ],
    "the same import twice": ["import numpy as np", "np.ones(3)", "import numpy as np\nnp.ones(4)"],
    "two modules of one package": ["import os.path", "os.getcwd()", "import os\nos.getcwd()"],
    "both branches bind": [
        "k = 1\nprint(k)",
        "if 1:\n    k = 2\nelse:\n    k = 3\nprint(k)",
        "try:\n    k = 4\nexcept ValueError as error:\n    k = error\nprint(k)",
    ],
    "keywords and attributes are no names": [
        "x = 1",
        "dict(x=2)",
        "import types\nbox = types.SimpleNamespace()\nbox.x = 3\nprint(x)",
    ],
    "bound again, never read openly": ["f = 1", "f = 2", "f = 3"],
    "a variable called like another cell's function": [
        "k = 1\ndef f():\n    return k\nf()",
        "k = 2",
        "f = 3\nprint(f)",
    ],
    "what a class holds is its own": [
        "class A:\n    x = 1\n    def f(self, x):\n        return x",
        "x = 2\nprint(A, x)",
        "x = 3\nprint(x)",
    ],
}

HARMFUL = {
    "another meaning after it was read": (["x = 1", "print(x)", "x = 'a'"], "x"),
    "another meaning before it is read": (["x = 1\nprint(x)", "x = 2", "print(x)"], "x"),
    "a loop variable over a shared name": (["n = 5", "print(n)", "for n in [1]:\n    pass"], "n"),
    "an update in another cell": (["total = 0", "total += 1"], "total"),
    "a tuple's target": (["a = 1", "print(a)", "b, (a, *c) = 2, (3, 4)"], "a"),
    "a walrus": (["a = 1", "print(a)", "print([a := i for i in [3]])"], "a"),
    "a with's target": (["f = 1", "print(f)", "with open('a') as f:\n    pass"], "f"),
    "another import": (["from a import f", "f()", "from b import f"], "f"),
    "an import over a variable": (["re = 3", "print(re)", "import re"], "re"),
    "a function written again": (
        ["def f():\n    return 1", "f()", "def f():\n    return 2"],
        "f",
    ),
    "read by a function's body": (
        ["k = 1", "def f():\n    return [i + k for i in [2]]", "f()", "k = 2"],
        "k",
    ),
    "read by a function that a function calls": (
        ["k = 1", "def f():\n    return k", "def g():\n    return f()", "g()", "k = 2"],
        "k",
    ),
    "read by a named lambda": (["k = 1", "f = lambda x: x + k", "f(1)", "k = 2"], "k"),
    "read by a default": (["k = 1", "def f(x=k):\n    return x", "k = 2"], "k"),
    "read inside a comprehension": (["k = 1", "print([i + k for i in [2]])", "k = 2"], "k"),
    "a comprehension over the name that it binds": (["x = [1]", "[x for x in x]", "x = 2"], "x"),
    "read after a comprehension of that name": (["x = 1", "[x for x in [2]]\nx", "x = 3"], "x"),
    "made from itself": (["x = 1", "x = x + 1"], "x"),
    "read in an f-string": (["k = 1", "print(f'{k}')", "k = 2"], "k"),
    "bound in one branch only": (
        ["k = 1", "if 0:\n    k = 2\nprint(k)"],
        "k",
    ),
    "bound in a try that may fail": (
        ["k = 1", "try:\n    k = 2\nexcept ValueError:\n    pass\nprint(k)"],
        "k",
    ),
    "changed at an index, bound elsewhere": (["x = [1]", "x[0] = 2", "x = 3"], "x"),
    "deleted in another cell": (["x = 1", "del x"], "x"),
    "read before it is bound, in one cell": (["x = 1", "y = x\nx = y + 1"], "x"),
    "a generator of numbers": (
        ["rng = Random(0)", "rng.random()", "rng = Random(1)\nrng.random()"],
        "rng",
    ),
}


@pytest.mark.parametrize("cells", HARMLESS.values(), ids=HARMLESS)
def test_harmless_notebooks_pass(cells):
    assert rebound(cells) == []


@pytest.mark.parametrize(("cells", "name"), HARMFUL.values(), ids=HARMFUL)
def test_harmful_notebooks_are_refused(cells, name):
    assert [found for found, _, _ in rebound(cells)] == [name]


def test_the_cells_that_bind_and_read_are_told():
    cells = ["x = y = 1", "print(x)", "x = 2", "print(x, y)", "for x in [3]:\n    print(x)"]
    assert rebound(cells) == [("x", [0, 2, 4], [1, 3])]
