"""Assertions that cannot fail: a comparison with itself, a constant, a branch that never runs."""

import ast
import builtins
import copy
import math

# Called twice with the same arguments, these give the same value; a sampler or a model may not.
PURE_MODULES = {"np", "ops", "math", "numpy"}
IMPURE = {"random", "input", "next", "print", "open"}
PURE_METHODS = {
    "abs", "all", "any", "astype", "copy", "flatten", "max", "mean", "min", "numpy", "ravel",
    "reshape", "round", "sum", "tolist", "transpose",
}  # fmt: skip
NOT_NEGATIVE = {"abs", "absolute", "count_nonzero", "len", "norm", "square", "std", "var", "fabs"}
KEEPS_SIGN = {"float", "max", "mean", "min", "sqrt", "sum", "median", "int"}
# The assertions that compare their first two arguments, with the places of their tolerances.
CLOSE = {
    "assert_close": {"rtol": 3, "atol": 4},
    "assert_allclose": {"rtol": 2, "atol": 3},
    "allclose": {"rtol": 2, "atol": 3},
    "isclose": {"rtol": 2, "atol": 3},
}
EQUAL = {"array_equal", "array_equiv", "assert_array_equal", "assert_equal", "assert_almost_equal"}
EQUAL |= {"assert_array_almost_equal", "assert_array_less"}
UNCALLED = {"all", "any", "allclose", "array_equal", "isclose", "isfinite"}
HUGE = {"rtol": 1.0, "atol": 1e6}


def vacuous(source, used_elsewhere=()):
    """Find the assertions of a cell that cannot fail in an obvious way.

    Args:
        source: str, Python.
        used_elsewhere: collection of str, names that other cells read: a function among them may
            be called there.

    Returns:
        list of (line, reason), in the order of the text.
    """
    tree = ast.parse(source)
    aliases = _aliases(tree)
    functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            reason = _assert(node, aliases, functions)
        elif isinstance(node, ast.Call) and _name(node.func).startswith("assert_"):
            reason = _call(node, aliases)
        else:
            continue
        if reason:
            found.append((node.lineno, reason))
    found += _never_run(tree.body)
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | set(used_elsewhere)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name not in read and _assertions(node):
            found.append((_assertions(node)[0], f"nothing calls {node.name}"))
    return sorted(set(found))


def _name(node):
    """Return the last part of a dotted name, or an empty string."""
    return getattr(node, "attr", None) or getattr(node, "id", "")


def _assertions(node):
    """Lines of the assertions inside a node."""
    return [
        n.lineno
        for n in ast.walk(node)
        if isinstance(n, ast.Assert)
        or (isinstance(n, ast.Call) and _name(n.func).startswith("assert_"))
    ]


def _aliases(tree):
    """Map a name to another one that is the same object: `b = a`, and neither is bound later."""
    bound = [
        (n.id, n.lineno)
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    aliases = {}
    for n in ast.walk(tree):
        pair = [*n.targets, n.value] if isinstance(n, ast.Assign) else []
        if len(pair) == 2 and all(isinstance(side, ast.Name) for side in pair):
            ids = [side.id for side in pair]
            if not any(name in ids and line > n.lineno for name, line in bound):
                aliases[ids[0]] = ids[1]
    return aliases


def _same(a, b, aliases):
    """Whether two expressions are the same, and stay so when they are evaluated twice."""

    def text(node):
        node = copy.deepcopy(node)
        for n in ast.walk(node):
            if isinstance(n, ast.Name):
                n.id = aliases.get(n.id, n.id)
        return ast.dump(node)

    return text(a) == text(b) and _pure(a)


def _pure(node):
    """Whether every call inside gives the same value each time, as far as its name tells."""
    for call in [n for n in ast.walk(node) if isinstance(n, ast.Call)]:
        if any(_name(n) in IMPURE for n in ast.walk(call.func)):
            return False
        root = call.func
        while isinstance(root, ast.Attribute):
            root = root.value
        known = getattr(root, "id", "") in PURE_MODULES or _name(call.func) in PURE_METHODS
        if not (known or (isinstance(call.func, ast.Name) and hasattr(builtins, call.func.id))):
            return False
    return True


def _assert(node, aliases, functions):
    test = node.test
    if isinstance(test, ast.Tuple | ast.List | ast.Dict | ast.Set):
        return "a collection counts as true"
    if isinstance(test, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.Lambda):
        return "a comprehension or a function counts as true: call all(...)"
    if isinstance(test, ast.Attribute) and test.attr in UNCALLED:
        return f"{test.attr} is not called"
    if isinstance(test, ast.Name) and test.id in functions:
        return f"{test.id} is not called"
    if isinstance(node.msg, ast.Compare):
        return "the comparison stands in the message"
    return _always(test, aliases)


def _always(test, aliases):
    """Say why an expression is always true; an empty string if it is not obvious."""
    if _constant(test):
        return "a constant"
    if isinstance(test, ast.BoolOp):
        reasons = [_always(value, aliases) for value in test.values]
        if all(reasons) or (isinstance(test.op, ast.Or) and any(reasons)):
            return next(filter(None, reasons))
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _never(test.operand, aliases)
    elif isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        reasons = [
            _link(a, op, b, aliases) for a, op, b in zip(sides, test.ops, sides[1:], strict=False)
        ]
        return reasons[0] if all(reasons) else ""
    elif isinstance(test, ast.IfExp):
        reasons = [_always(test.body, aliases), _always(test.orelse, aliases)]
        return reasons[0] if all(reasons) else ""
    elif isinstance(test, ast.Call):
        return _always_call(test, aliases)
    return ""


def _always_call(test, aliases):
    name = _name(test.func)
    inner = test.func.value if isinstance(test.func, ast.Attribute) else None
    if name in ("all", "any", "bool") and (test.args or inner is not None):
        value = test.args[0] if test.args else inner
        if isinstance(value, ast.GeneratorExp | ast.ListComp):
            value = value.elt
        if isinstance(value, ast.Tuple | ast.List) and value.elts:
            reasons = [_always(element, aliases) for element in value.elts]
            return reasons[0] if all(reasons) else ""
        return _always(value, aliases)
    if name == "isinstance" and _name(test.args[1]) == "object":
        return "everything is an object"
    return _call(test, aliases) if name in CLOSE or name in EQUAL else ""


def _never(test, aliases):
    """Say why an expression is never true; an empty string if it is not obvious."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _always(test.operand, aliases)
    if _constant(test):
        return "a constant"
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        opposite = {
            ast.NotEq: ast.Eq,
            ast.IsNot: ast.Is,
            ast.NotIn: ast.In,  # codespell:ignore
            ast.Lt: ast.GtE,
            ast.Gt: ast.LtE,
        }.get(type(test.ops[0]))
        if opposite:
            return _link(test.left, opposite(), test.comparators[0], aliases)
    return ""


def _constant(node):
    """Whether an expression reads nothing but literals and built-in functions.

    `math.comb(48, 12) > 6e10` is none: it works out a number that the text may claim.
    """
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return all(hasattr(builtins, name) and name not in IMPURE for name in names)


def _link(a, op, b, aliases):
    """Say why `a op b` always holds."""
    if isinstance(op, ast.Eq | ast.LtE | ast.GtE | ast.Is) and _same(a, b, aliases):
        return "compared with itself"
    if isinstance(op, ast.In) and isinstance(b, ast.List | ast.Tuple | ast.Set):
        if any(_same(a, element, aliases) for element in b.elts):
            return "compared with itself"
    if isinstance(op, ast.LtE | ast.Lt):
        a, b = b, a
    elif not isinstance(op, ast.GtE | ast.Gt):
        return ""
    strict = isinstance(op, ast.Lt | ast.Gt)
    return _at_least(a, b, strict)


def _at_least(value, bound, strict=False):
    """Say why value >= bound (value > bound if strict) always holds."""
    low, high = _number(bound), _number(value)
    if not strict and (low == -math.inf or high == math.inf):
        return "nothing is beyond infinity"
    if low is not None and _not_negative(value) and (low < 0 or (low == 0 and not strict)):
        return "it is never negative"
    return ""


def _not_negative(node):
    """Whether an expression cannot be negative, whatever its names stand for."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Pow):
            power = _number(node.right)
            return power is not None and power % 2 == 0
        if isinstance(node.op, ast.Add | ast.Mult | ast.Div):
            sides = [_not_negative(n) or (_number(n) or -1) >= 0 for n in (node.left, node.right)]
            same = isinstance(node.op, ast.Mult) and _same(node.left, node.right, {})
            return all(sides) or same
    if isinstance(node, ast.Attribute):
        return node.attr in ("size", "ndim")
    if isinstance(node, ast.Subscript):
        return _name(node.value) == "shape"
    if isinstance(node, ast.Call):
        name = _name(node.func)
        if name in NOT_NEGATIVE:
            return True
        if name in KEEPS_SIGN:
            inside = list(node.args)
            if isinstance(node.func, ast.Attribute) and not node.args:
                inside = [node.func.value]
            return bool(inside) and _not_negative(inside[0])
    return False


def _number(node):
    """The value of a literal number, with infinities; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Attribute) and node.attr in ("inf", "Inf", "infty"):
        return math.inf
    if isinstance(node, ast.Call) and _name(node.func) == "float" and node.args:
        text = getattr(node.args[0], "value", "")
        return math.inf if str(text).lower().strip("+") in ("inf", "infinity") else None
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    return None


def _argument(call, place, name):
    """An argument given by place or by name; None if it is left out."""
    if len(call.args) > place:
        return call.args[place]
    return next((k.value for k in call.keywords if k.arg == name), None)


def _call(call, aliases):
    """Say why a comparing function such as `bmu.assert_close` always accepts."""
    name = _name(call.func)
    names = {"assert_close": ("actual", "expected"), "assert_allclose": ("actual", "desired")}
    first, second = names.get(name, ("value", "bound"))
    a, b = _argument(call, 0, first), _argument(call, 1, second)
    if a is None or b is None:
        return ""
    if name in CLOSE or name in EQUAL:
        if _same(a, b, aliases) and name != "assert_array_less":
            return "compared with itself"
        if _constant(a) and _constant(b):
            return "a constant"
        for tolerance, place in CLOSE.get(name, {}).items():
            given = _argument(call, place, tolerance)
            value = None if given is None else _number(given)
            if value is not None and value >= HUGE[tolerance]:
                return f"{tolerance}={value} accepts anything"
    if name in ("assert_at_least", "assert_at_most"):
        if _same(a, b, aliases):
            return "compared with itself"
        if _constant(a) and _constant(b):
            return "a constant"
        return _at_least(a, b) if name == "assert_at_least" else _at_least(b, a)
    return ""


def _never_run(body):
    """Find assertions in branches that never run, or whose failure is caught."""
    found, left = [], ""
    for node in body:
        if left:
            found += [(line, left) for line in _assertions(node)]
            continue
        for part, reason in _blocks(node):
            if reason:
                found += [(line, reason) for n in part for line in _assertions(n)]
            else:
                found += _never_run(part)
        if isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break):
            left = "the line is never reached"
    return found


def _blocks(node):
    """Yield (statements, why their assertions are in vain) of a compound statement."""
    body, reason, other = getattr(node, "body", []), "", ""
    if not isinstance(body, list):
        return
    if isinstance(node, ast.If | ast.While) and isinstance(node.test, ast.Constant):
        reason = "" if node.test.value else "the branch never runs"
        other = "the branch never runs" if node.test.value else ""
    elif isinstance(node, ast.For) and _empty(node.iter):
        reason = "the loop never runs"
    elif isinstance(node, ast.Try) and any(map(_swallows, node.handlers)):
        reason = "its failure is caught"
    elif isinstance(node, ast.With):
        calls = [i.context_expr for i in node.items if isinstance(i.context_expr, ast.Call)]
        suppressed = [a for c in calls if _name(c.func) == "suppress" for a in c.args]
        if any(map(_catches, suppressed)):
            reason = "its failure is caught"
    yield body, reason
    yield getattr(node, "orelse", []), other
    yield getattr(node, "finalbody", []), ""
    for handler in getattr(node, "handlers", []):
        yield handler.body, ""


def _empty(node):
    if isinstance(node, ast.List | ast.Tuple):
        return not node.elts
    is_range = isinstance(node, ast.Call) and _name(node.func) == "range"
    return is_range and len(node.args) == 1 and _number(node.args[0]) == 0


def _catches(kind):
    return _name(kind) in ("AssertionError", "Exception", "BaseException")


def _swallows(handler):
    """Whether a handler catches a failed assertion and neither raises nor asserts again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = any(kind is None or _catches(kind) for kind in kinds)
    acts = [n for statement in handler.body for n in ast.walk(statement)]
    return caught and not any(
        isinstance(n, ast.Raise | ast.Assert) or _name(getattr(n, "func", n)).startswith("assert_")
        for n in acts
    )
