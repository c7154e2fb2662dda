"""Small mistakes in a function: one change of its syntax tree each.

The changes are those that a hurried author makes: a wrong operator, sign, constant or axis, a bound
off by one, `min` for `max`, a guard or a statement left out, two arguments swapped.
"""

import ast
import collections
import copy
import dataclasses

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NEGATED = {
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,  # codespell:ignore
}
COMPARISONS = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, **NEGATED}
COMPARISONS |= {other: one for one, other in COMPARISONS.items()}
NAMES = {
    "all": "any",
    "any": "all",
    "argmax": "argmin",
    "argmin": "argmax",
    "ceil": "floor",
    "cos": "sin",
    "cumprod": "cumsum",
    "cumsum": "cumprod",
    "exp": "expm1",
    "expm1": "exp",
    "floor": "ceil",
    "log": "log1p",
    "log1p": "log",
    "max": "min",
    "maximum": "minimum",
    "mean": "sum",
    "min": "max",
    "minimum": "maximum",
    "ones": "zeros",
    "ones_like": "zeros_like",
    "sin": "cos",
    "sum": "mean",
    "zeros": "ones",
    "zeros_like": "ones_like",
}
BUILTINS = {"all", "any", "max", "min"}
# Calls that a function survives without: f(x, ...) becomes x.
DROPPED = {
    "abs",
    "absolute",
    "clip",
    "copy",
    "flip",
    "relu",
    "reversed",
    "round",
    "sorted",
    "sqrt",
    "square",
    "stop_gradient",
    "transpose",
}
SYMMETRIC = {
    "add",
    "allclose",
    "array_equal",
    "gcd",
    "intersect1d",
    "isinstance",
    "logaddexp",
    "max",
    "maximum",
    "min",
    "minimum",
    "multiply",
    "union1d",
}


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One mistake in one function of a notebook.

    Attributes:
        function: str, the function's name; `Class.method` for a method.
        line: int, the line in the cell, counted from 1.
        text: str, that line without its indentation.
        change: str, such as `"a + b -> a - b"`; numbered where a line allows it twice.
        reached_by: range of lines; the mistake is reached if one of them is executed.
        statement: ast.stmt, the whole function, or the class around the method, as it should be.
        place: tuple of (field, index), where in the statement the change is made.
        new: ast.AST, what stands there then.
    """

    function: str
    line: int
    text: str
    change: str
    reached_by: range
    statement: ast.stmt
    place: tuple
    new: ast.AST

    def source(self):
        """Write the whole wrong function, or the class around the wrong method."""
        return ast.unparse(_replaced(self.statement, self.place, self.new)) + "\n"


def mutations(source, imported=()):
    """List every mistake in the functions and methods that a cell defines at its top level.

    Args:
        source: str, the cell's Python.
        imported: collection of str, names of modules: `np.abs(x)` becomes x, not np.

    Returns:
        list of Mutation, in the order of the text.
    """
    lines, found = source.splitlines(), []
    for statement in ast.parse(source).body:
        for function, name, path in functions(statement):
            places, seen = _places(function, path), collections.Counter()
            for old, new in changes(function, imported):
                text, change = lines[old.lineno - 1].strip(), _describe(old, new)
                seen[text, change] += 1
                if seen[text, change] > 1:
                    change += f" (no. {seen[text, change]})"
                place, reached_by = places[id(old)]
                found.append(
                    Mutation(name, old.lineno, text, change, reached_by, statement, place, new)
                )
    return found


def functions(statement):
    """Yield (function, qualified name, path) of a function, or of each method of a class."""
    if isinstance(statement, ast.FunctionDef):
        yield statement, statement.name, ()
    elif isinstance(statement, ast.ClassDef):
        for k, inner in enumerate(statement.body):
            if isinstance(inner, ast.FunctionDef):
                yield inner, f"{statement.name}.{inner.name}", (("body", k),)


def imported_names(tree):
    """Collect the names that import statements bind anywhere in a tree."""
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return {(a.asname or a.name).split(".")[0] for s in statements for a in s.names}


def changes(function, imported=()):
    """Yield (old node, new node) for each single mistake in a function.

    Args:
        function: ast.FunctionDef; it is not changed.
        imported: collection of str, names that are modules.
    """
    bound = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
    done = set()  # nodes that the node around them has dealt with
    for node in _visible(function):
        if id(node) in done:
            continue
        if isinstance(node, ast.stmt):
            yield from _statement(node, bound)
            bound |= _stored(node)
        elif isinstance(node, ast.Call):
            yield from _axis(node, done)
            yield from _call(node, imported)
        elif isinstance(node, ast.Slice):
            yield from _slice(node, done)
        elif isinstance(node, ast.comprehension):
            yield from ((test, ast.Constant(True)) for test in node.ifs)
        elif isinstance(node, ast.expr):
            yield from _expression(node)


def _visible(node):
    """Walk a function in the order of its text, leaving out what no check can judge."""
    yield node
    if isinstance(node, ast.JoinedStr | ast.Raise):  # what a message says
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _speaks(child):
                yield from _visible(child)


def _speaks(node):
    """Whether a statement is a docstring or prints."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    return isinstance(value, ast.Constant) or _name(getattr(value, "func", value)) == "print"


def _name(node):
    """Return the last part of a dotted name, or an empty string."""
    return getattr(node, "attr", None) or getattr(node, "id", "")


def _root(node):
    """Return the first part of a dotted name, or an empty string."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def _stored(statement):
    """Names that a simple statement binds, or the head of a loop or a `with`."""
    parts = [statement]
    if isinstance(statement, ast.For):
        parts = [statement.target]
    elif hasattr(statement, "body"):
        parts = getattr(statement, "items", [])
    return {
        n.id
        for part in parts
        for n in ast.walk(part)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _statement(node, bound):
    """Leave a statement out, negate or drop a condition, swap what is returned."""
    if isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(node.op)]())
        yield node, ast.Pass()
    elif isinstance(node, ast.Assign):
        if all(
            not isinstance(t, ast.Name | ast.Tuple) or _stored_in(t) <= bound for t in node.targets
        ):
            yield node, ast.Pass()
    elif isinstance(node, ast.Expr | ast.Assert | ast.Break | ast.Continue):
        yield node, ast.Pass()
    elif isinstance(node, ast.If):
        yield from _condition(node)
        if not node.orelse:
            leaves = isinstance(node.body[0], ast.Raise | ast.Return | ast.Continue | ast.Break)
            yield node.test, ast.Constant(not leaves)
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        yield from _neighbours(node.value, "elts", ast.expr)


def _stored_in(target):
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}


def _condition(node):
    """Negate the condition of an `if`, unless its comparison is negated anyway."""
    test = node.test
    single = isinstance(test, ast.Compare) and len(test.ops) == 1
    if not isinstance(test, ast.UnaryOp) and not (
        single and type(test.ops[0]) in {*NEGATED, *NEGATED.values()}
    ):
        yield test, ast.UnaryOp(ast.Not(), copy.deepcopy(test))


def _neighbours(node, field, kinds=(ast.Name, ast.Attribute, ast.Subscript)):
    """Swap two neighbours in a list."""
    values = getattr(node, field)
    for k, (a, b) in enumerate(zip(values, values[1:], strict=False)):
        alike = type(a) is type(b) or kinds is ast.expr
        if alike and isinstance(a, kinds) and ast.dump(a) != ast.dump(b):
            yield node, _with(node, **{field: [*values[:k], b, a, *values[k + 2 :]]})


def _axis(node, done):
    """Take another axis."""
    for keyword in node.keywords:
        axis = _integer(keyword.value)
        if keyword.arg == "axis" and axis is not None:
            done |= {id(n) for n in ast.walk(keyword.value)}
            other = {0: 1, 1: 0, -1: 0, -2: -1}.get(axis, axis - 1)
            yield keyword.value, ast.parse(str(other), mode="eval").body


def _integer(node):
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if type(value) is int else None


def _call(node, imported):
    """Call the neighbour of a function, drop a call, swap arguments, end a range too soon."""
    name, method = _name(node.func), isinstance(node.func, ast.Attribute)
    belongs = method and _root(node.func) not in imported  # x.copy() rather than np.copy(x)
    if name in NAMES and isinstance(node.func, ast.Name) and name in BUILTINS:
        yield node.func, ast.Name(NAMES[name], ast.Load())
    if name in DROPPED and (belongs or node.args):
        yield node, copy.deepcopy(node.func.value if belongs else node.args[0])
    if name not in SYMMETRIC:
        yield from _neighbours(node, "args")
    if name == "range" and not method:
        for k, bound in enumerate(node.args[:2]):
            if not isinstance(bound, ast.Constant):
                last = k == len(node.args[:2]) - 1
                yield bound, _shifted(bound, -1 if last else 1)
        if len(node.args) == 1:
            yield node, _with(node, args=[ast.Constant(1), *node.args])


def _shifted(node, by):
    operator = ast.Add() if by > 0 else ast.Sub()
    return ast.BinOp(copy.deepcopy(node), operator, ast.Constant(abs(by)))


def _slice(node, done):
    """Move an end of a slice by one, or do not reverse."""
    lower, upper, step = node.lower, node.upper, node.step
    if step is not None and _integer(step) == -1:
        done |= {id(n) for n in ast.walk(step)}
        yield node, _with(node, step=None)
        return
    if lower is None and upper is not None:
        yield node, _with(node, lower=ast.Constant(1))
    if upper is None and lower is not None:
        yield node, _with(node, upper=ast.UnaryOp(ast.USub(), ast.Constant(1)))
    for end, by in ((lower, 1), (upper, -1)):
        if end is not None and _integer(end) is None:
            yield end, _shifted(end, by)


def _expression(node):
    """Change an operator, a sign, a comparison, a constant, a name."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.MatMult):
            yield node, _with(node, left=node.right, right=node.left)
        elif type(node.op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, _with(node, op=other)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node, copy.deepcopy(node.operand)
    elif isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            ops = [*node.ops[:k], COMPARISONS[type(op)](), *node.ops[k + 1 :]]
            yield node, _with(node, ops=ops)
    elif isinstance(node, ast.IfExp):
        yield from _condition(node)
        yield node, copy.deepcopy(node.body)
    elif isinstance(node, ast.Constant):
        yield from ((node, ast.Constant(value)) for value in _other_constant(node.value))
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node, copy.deepcopy(node.value)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield node, _with(node, attr=NAMES[node.attr])


def _other_constant(value):
    """Another truth value, the next integer, a float a tenth larger, no tiny number at all."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float) and abs(value) < 1e-4:
        yield 0.0 if value else 1.0
    elif isinstance(value, float) and value * 1.1 != value:
        yield float(f"{1.1 * value:.12g}")


def _with(node, **fields):
    """Copy a node with other fields."""
    new = copy.deepcopy(node)
    for field, value in fields.items():
        setattr(new, field, copy.deepcopy(value))
    return new


def _places(function, path):
    """Map each node's id to its path and to the lines that execute it."""
    body = range(function.body[0].lineno, function.end_lineno + 1)
    places, todo = {}, [(function, path, body)]
    while todo:
        node, path, lines = todo.pop()
        if isinstance(node, ast.stmt) and node is not function:
            inner = getattr(node, "body", None)
            lines = range(node.lineno, inner[0].lineno if inner else node.end_lineno + 1)
            lines = lines or range(node.lineno, node.lineno + 1)  # `if x: return y`
        places[id(node)] = path, lines
        for field, value in ast.iter_fields(node):
            for k, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    todo.append((child, (*path, (field, k)), lines))
    return places


def _replaced(tree, path, new):
    """Copy a tree with another node at the end of a path."""
    tree = copy.deepcopy(tree)
    node = tree
    for field, k in path[:-1]:
        node = getattr(node, field) if k is None else getattr(node, field)[k]
    field, k = path[-1]
    if k is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[k] = new
    return ast.fix_missing_locations(tree)


def _describe(old, new):
    before = ast.unparse(old).splitlines()[0]
    return f"{before} -> " + ("(left out)" if isinstance(new, ast.Pass) else ast.unparse(new))
