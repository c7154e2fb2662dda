"""Take a chapter's own functions out of its notebook: a benchmark measures what is taught."""

import ast
import re
import types
from pathlib import Path

import nbformat

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"


def definitions(slug, names=None):
    """Execute the imports, functions, classes and literal constants of a notebook, nothing else.

    Args:
        slug: str, the file name without its ending of a chapter, such as `"word-embeddings"`, or of
            a page that runs and lies beside the folder of chapters.
        names: iterable of str, the definitions that must be there; None asks for no check.

    Returns:
        types.SimpleNamespace of everything defined.

    Raises:
        KeyError: if the chapter no longer defines one of `names`.
    """
    path = CHAPTERS / f"{slug}.ipynb"
    notebook = nbformat.read(path if path.exists() else CHAPTERS.parent / path.name, as_version=4)
    space = {"__name__": slug.replace("-", "_")}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)
            body = [node for node in ast.parse(source).body if _defines(node)]
            filename = f"{slug}.ipynb#{cell.id}"
            exec(compile(ast.Module(body, type_ignores=[]), filename, "exec"), space)
    missing = sorted(set(names or ()) - set(space))
    if missing:
        raise KeyError(f"chapter {slug} defines no {', '.join(missing)}")
    return types.SimpleNamespace(**{k: v for k, v in space.items() if not k.startswith("__")})


def _defines(node):
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    if not isinstance(node, ast.Assign) or not all(
        isinstance(target, ast.Name) and target.id.isupper() for target in node.targets
    ):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True
