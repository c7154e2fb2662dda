"""Names that mean two things in one notebook: its cells cannot be run again in another order."""

import ast
import dis
import types


def rebound(sources):
    """List the names that one cell reads and several cells bind.

    A cell may be run again at any time and must find the value that it found before. So a name
    that a cell reads without binding it first (an *open* read) has one meaning, and one cell
    binds it. Names that every cell binds before reading them (loop variables, `figure, axes`)
    may recur. Reading a function reads the globals of its body too.

    Only names are followed: a cell that changes a list or an array in place is not seen.

    Args:
        sources: list of strings, the Python of each code cell, in order.

    Returns:
        list of `(name, binders, readers)`, sorted: lists of cell indices.
    """
    trees = [ast.parse(source) for source in sources]
    functions = {}
    for tree in trees:
        for name, body in _functions(tree):
            functions.setdefault(name, set()).update(_globals(body))
    cells = [_Cell(tree, functions) for tree in trees]
    found = []
    for name in sorted(set().union(*(cell.read for cell in cells))):
        binders = [i for i, cell in enumerate(cells) if name in cell.binds]
        meanings = {m for i in binders for m in cells[i].binds[name]}
        same_import = len(meanings) == 1 and None not in meanings
        if len(binders) > 1 and not same_import:
            readers = [i for i, cell in enumerate(cells) if name in cell.read]
            found.append((name, binders, readers))
    return found


def _functions(tree):
    """Yield `(name, node)` of the functions, classes and named lambdas of a cell."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
            continue
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from ((name, ast.Expr(node.value)) for name in names)
        pending += ast.iter_child_nodes(node)


def _globals(statement):
    """Names that the functions inside a statement read from the notebook when they are called."""
    module = ast.fix_missing_locations(ast.Module([statement], type_ignores=[]))
    pending, names = [compile(module, "cell", "exec")], set()
    while pending:
        code = pending.pop()
        names |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
        pending += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return names


class _Cell(ast.NodeVisitor):
    """What a cell binds, and what it reads before binding it, followed in order of execution.

    Args:
        tree: the parsed cell.
        functions: dict, name of a function to the set of globals that its body reads.
    """

    def __init__(self, tree, functions):
        self.functions = functions
        self._own = {name for name, _ in _functions(tree)}
        self.binds = {}  # name: set of meanings, the import's text or None
        self.read = set()
        self._bound = set()
        self.visit(tree)

    def _bind(self, name, meaning=None):
        self.binds.setdefault(name, set()).add(meaning)
        self._bound.add(name)

    def _read(self, name):
        pending, seen = [name], set()
        while pending:
            name = pending.pop()
            a_function = name not in self._bound or name in self._own
            if a_function and name not in seen:
                pending += self.functions.get(name, ())
            seen.add(name)
        self.read |= seen - self._bound

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        else:
            self._read(node.id)
            self._bind(node.id)
            self._bound.discard(node.id)

    def visit_Assign(self, node):
        for part in (node.value, *node.targets):
            self.visit(part)

    def visit_AnnAssign(self, node):
        if node.value:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node):
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node):
        for part in (node.iter, node.target, *node.body, *node.orelse):
            self.visit(part)

    visit_AsyncFor = visit_For

    def _branches(self, *branches):
        """Only what every branch binds is bound afterwards."""
        before, after = set(self._bound), []
        for branch in branches:
            self._bound = set(before)
            for statement in branch:
                self.visit(statement)
            after.append(self._bound)
        self._bound = set.intersection(*after)

    def visit_If(self, node):
        self.visit(node.test)
        self._branches(node.body, node.orelse)

    def visit_Try(self, node):
        self._branches(node.body + node.orelse, *([handler] for handler in node.handlers))
        for statement in node.finalbody:
            self.visit(statement)

    def visit_ExceptHandler(self, node):
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)

    def visit_Import(self, node):
        for alias in node.names:
            package = alias.name.split(".")[0]
            self._bind(alias.asname or package, f"import {alias.name if alias.asname else package}")

    def visit_ImportFrom(self, node):
        for alias in node.names:
            self._bind(alias.asname or alias.name, f"from {node.module} import {alias.name}")

    def visit_FunctionDef(self, node):
        for part in (*node.decorator_list, node.args):
            self.visit(part)
        self._bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._bind(node.name)

    def visit_arguments(self, node):
        for default in (*node.defaults, *node.kw_defaults):
            if default:
                self.visit(default)

    def visit_Lambda(self, node):
        self.visit(node.args)
        for name in _globals(ast.Expr(node)):
            self._read(name)

    def _comprehension(self, node):
        """The variables of a comprehension are its own."""
        first, *others = node.generators
        self.visit(first.iter)
        targets = [n for g in node.generators for n in ast.walk(g.target)]
        own = {n.id for n in targets if isinstance(n, ast.Name)} - self._bound
        self._bound |= own
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for part in [*first.ifs, *(p for g in others for p in (g.iter, *g.ifs)), *parts]:
            self.visit(part)
        self._bound -= own

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension
