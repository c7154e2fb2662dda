"""Read out of a notebook, without running it, what its assertions promise.

The promises are the calls of `bmu.assert_at_least` and `bmu.assert_at_most`. Their bounds may
depend on the profile, and on names that stand for plain values; a bound that is a measured
quantity, such as nine tenths of another error, stays the expression that the chapter writes.
"""

import ast
import re

RELATIONS = {"assert_at_least": "at least", "assert_at_most": "at most"}
PROFILES = ("quick", "full")
# What may be evaluated: values written out, and arithmetic with them. No call, no attribute.
PLAIN = (
    ast.Constant,
    ast.Name,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Subscript,
    ast.Slice,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)
UNKNOWN = object()


def asserted(notebook):
    """List what a notebook promises.

    Args:
        notebook: a notebook, as `nbformat.read` returns it.

    Returns:
        list of dicts, in the notebook's order: `label` (str; `…` where the notebook computes a
        part of it), `section` (the target of the section, or None), `quick` and `full` (str such
        as `at least 0.42`, or None where the profile does not assert it).
    """
    rows = {}
    for profile in PROFILES:
        for place, section, label, bound in _of_profile(notebook, profile):
            empty = {"label": label, "section": section, **dict.fromkeys(PROFILES)}
            rows.setdefault((place, label), empty)[profile] = bound
    return [rows[key] for key in sorted(rows, key=lambda key: key[0])]


def _of_profile(notebook, profile):
    known, section = {"PROFILE": profile}, None
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            section = ([section] + re.findall(r"^\((sec-[\w-]+)\)=\s*$", cell.source, re.M))[-1]
        elif cell.cell_type == "code":
            source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)
            for call, label, bound in _calls(ast.parse(source).body, known):
                yield (number, call.lineno, call.col_offset), section, label, bound


def _calls(statements, known):
    """Go through statements in order; keep in `known` the names that stand for plain values."""
    for statement in statements:
        if isinstance(statement, ast.If):
            truth = fold(statement.test, known)
            if truth is UNKNOWN or truth:
                yield from _calls(statement.body, known)
            if truth is UNKNOWN or not truth:
                yield from _calls(statement.orelse, known)
        elif isinstance(statement, ast.For):
            values = fold(statement.iter, known)
            for value in [UNKNOWN] if values is UNKNOWN else values:
                _bind(statement.target, value, known)
                yield from _calls(statement.body, known)
        elif isinstance(statement, ast.While | ast.With):
            yield from _calls(statement.body, known)
        elif isinstance(statement, ast.FunctionDef):
            arguments = {a.arg for a in ast.walk(statement.args) if isinstance(a, ast.arg)}
            inside = {name: value for name, value in known.items() if name not in arguments}
            yield from _calls(statement.body, inside)
        elif isinstance(statement, ast.Assign):
            value = fold(statement.value, known)
            for target in statement.targets:
                _bind(target, value, known)
        elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
            _bind(statement.target, UNKNOWN, known)
        elif isinstance(statement, ast.Expr) and _relation(statement.value):
            _, bound, label = statement.value.args
            text = f"{_relation(statement.value)} {_written(bound, known)}"
            yield statement.value, _label(label, known), text


def _relation(node):
    name = node.func.attr if isinstance(getattr(node, "func", None), ast.Attribute) else None
    return RELATIONS.get(name)


def _bind(target, value, known):
    """Note what an assignment makes of the names in its target."""
    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else []
    if isinstance(target, ast.Name) and target.id == "PROFILE":
        return  # asked for by the setup cell; here it is given
    if isinstance(target, ast.Name) and value is not UNKNOWN:
        known[target.id] = value
    elif parts and isinstance(value, list | tuple) and len(value) == len(parts):
        for part, item in zip(parts, value, strict=True):
            _bind(part, item, known)
    else:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and node.id != "PROFILE":
                known.pop(node.id, None)


def fold(node, known):
    """Evaluate an expression of plain values.

    Args:
        node: ast node of an expression.
        known: dict from name to value.

    Returns:
        the value, or UNKNOWN where that takes a run of the notebook.
    """
    if isinstance(node, ast.IfExp):
        truth = fold(node.test, known)
        return truth if truth is UNKNOWN else fold(node.body if truth else node.orelse, known)
    if isinstance(node, ast.BoolOp):  # one part may decide
        decides = isinstance(node.op, ast.Or)
        parts = [fold(part, known) for part in node.values]
        if any(part is not UNKNOWN and bool(part) == decides for part in parts):
            return decides
    parts = list(ast.walk(node))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    if not all(isinstance(part, PLAIN) for part in parts) or not names <= known.keys():
        return UNKNOWN
    try:
        return eval(compile(ast.Expression(node), "bound", "eval"), {"__builtins__": {}}, known)
    except (ArithmeticError, LookupError, TypeError):
        return UNKNOWN


def _written(bound, known):
    value = fold(bound, known)
    return f"`{ast.unparse(bound)}`" if value is UNKNOWN else f"{value:g}"


def _label(label, known):
    if isinstance(label, ast.JoinedStr):
        values = [p.value if isinstance(p, ast.FormattedValue) else p for p in label.values]
    else:
        values = [label]
    folded = [fold(value, known) for value in values]
    return "".join("…" if value is UNKNOWN else str(value) for value in folded)
