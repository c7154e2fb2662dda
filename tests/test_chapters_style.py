"""The form of a chapter: its headings, labels, checks, figures and cells. Not its taste.

What holds for the cells of a chapter holds for those of every page that runs.
"""

import ast
import builtins
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from names import rebound
from vacuous import vacuous

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *sorted(ROOT.glob("*.ipynb"))]
OPENING = ["Goals", "Setup", "Problem and data"]
CLOSING = [
    "With Keras",
    "Experiment",
    "Summary",
    "Exercises",
    "Solutions",
    "References",
]
LABEL_PREFIXES = ("ch", "sec", "eq", "fig", "tab", "prf", "ex", "sol")


class Chapter:
    """A notebook, read once."""

    def __init__(self, path):
        self.path, self.slug = path, path.stem
        self.nb = nbformat.read(path, as_version=4)
        self.cells = self.nb.cells
        self.code = [c for c in self.cells if c.cell_type == "code"]
        self.prose = "\n\n".join(c.source for c in self.cells if c.cell_type == "markdown")

    def tagged(self, tag):
        return [c for c in self.code if tag in c.metadata.get("tags", [])]

    def labels(self):
        fields = re.findall(r"^:label:\s*(\S+)", self.prose, flags=re.M)
        equations = re.findall(r"\$\$\s*\((\S+?)\)\s*$", self.prose, flags=re.M)
        targets = re.findall(r"^\((\S+)\)=\s*$", self.prose, flags=re.M)
        figures = [_mystnb(c).get("figure", {}).get("name") for c in self.code]
        return fields + equations + targets + [name for name in figures if name]


def _mystnb(cell):
    return cell.metadata.get("mystnb", {})


def _python(cell):
    """The cell's Python: IPython's `%` lines become `pass`."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)


def _problem(chapter, cell, text):
    return f"{chapter.path.name}, cell {cell.id}: {text}:\n{cell.source[:300]}"


def test_there_are_chapters_and_the_table_of_contents_lists_each_once():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = re.findall(r"'file': '(chapters/[^']+)'", str(toc))
    assert len(CHAPTERS) >= 2
    assert sorted(files) == [f"chapters/{p.stem}" for p in CHAPTERS]


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda p: p.stem)
def chapter(request):
    return Chapter(request.param)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda p: p.stem)
def notebook(request):
    return Chapter(request.param)


def test_the_notebook_is_stripped_valid_and_keeps_unique_ids(notebook):
    nbformat.validate(notebook.nb)
    ids = [c.id for c in notebook.cells]
    assert len(ids) == len(set(ids))
    for cell in notebook.code:
        assert not cell.outputs and cell.execution_count is None, _problem(
            notebook, cell, "not stripped"
        )
    assert set(notebook.nb.metadata.get("language_info", {})) <= {"name"}


def test_it_opens_with_target_title_and_promise(chapter):
    first = [line for line in chapter.cells[0].source.splitlines() if line.strip()]
    assert first[0] == f"(ch-{chapter.slug})="
    assert first[1].startswith("# ")
    assert len(first) >= 3 and not first[2].startswith("#"), "the title is followed by a promise"
    assert len(re.findall(r"^# ", chapter.prose, flags=re.M)) == 1


def test_its_sections_come_in_the_fixed_order(chapter):
    headings = re.findall(r"^## (.+?)\s*$", chapter.prose, flags=re.M)
    assert headings[:3] == OPENING
    assert headings[-len(CLOSING) :] == CLOSING
    assert len(headings) > len(OPENING) + len(CLOSING), "no section of its own"


def test_every_section_has_a_target(notebook):
    for match in re.finditer(r"^## .+$", notebook.prose, flags=re.M):
        before = notebook.prose[: match.start()].rstrip().splitlines()[-1]
        assert re.fullmatch(rf"\(sec-{notebook.slug}-[\w-]+\)=", before), match[0]


def test_labels_are_unique_and_follow_the_scheme(chapter):
    labels = chapter.labels()
    assert len(labels) == len(set(labels)), sorted({x for x in labels if labels.count(x) > 1})
    form = re.compile(rf"({'|'.join(LABEL_PREFIXES)})-{re.escape(chapter.slug)}(-[a-z0-9-]+)?")
    assert [x for x in labels if not form.fullmatch(x)] == []


def test_every_proof_label_is_checked_by_an_assertion(chapter):
    stated = {x for x in chapter.labels() if x.startswith("prf-")}
    assert stated, "a chapter proves something"
    checked = set()
    for cell in chapter.tagged("check"):
        asserts = re.search(
            r"^\s*(assert |bmu\.assert_|np\.testing\.assert_)", cell.source, flags=re.M
        )
        assert asserts, _problem(chapter, cell, "a check without an assertion")
        names = set(re.findall(r"(?:prf|eq)-[\w-]+", cell.source))
        assert names, _problem(chapter, cell, "a check that names no label")
        unknown = names - set(chapter.labels())
        assert not unknown, _problem(chapter, cell, f"labels that do not exist: {unknown}")
        checked |= names
    assert stated - checked == set()


def test_every_theorem_is_proved(chapter):
    statements = len(
        re.findall(
            r"^:{3,}\{prf:(?:theorem|proposition|lemma|corollary)\}", chapter.prose, flags=re.M
        )
    )
    proofs = len(re.findall(r"^:{3,}\{prf:proof\}", chapter.prose, flags=re.M))
    assert proofs >= statements
    # A proof has no title, and the script that folds boxes stops the page where it finds none.
    assert not re.search(r"\{prf:proof\}[^\n]*\n:class: dropdown", chapter.prose)


def test_labelled_equations_are_referred_to(chapter):
    everything = "\n".join(c.source for c in chapter.cells)
    for label in {x for x in chapter.labels() if x.startswith(("eq-", "fig-"))}:
        uses = len(re.findall(rf"{re.escape(label)}(?![\w-])", everything))
        minimum = 2 if label.startswith("eq-") else 1
        assert uses >= minimum, f"{label} is labelled and never referred to"


def test_figures_have_captions_and_alternative_text(chapter):
    drawing = [c for c in chapter.code if re.search(r"plt\.show\(\)", c.source)]
    assert drawing, "a chapter shows something"
    for cell in drawing:
        settings = _mystnb(cell)
        caption = settings.get("figure", {}).get("caption", "")
        assert caption and len(caption.split()) <= 12, _problem(
            chapter, cell, f"caption {caption!r}"
        )
        alt = settings.get("image", {}).get("alt", "")
        assert len(alt) >= 30, _problem(chapter, cell, "no alternative text")
        assert re.search(
            r"set_xlabel|xlabel=|axis\(\"off\"\)|set_axis_off|set_xticks|set\(", cell.source
        ), _problem(chapter, cell, "axes without labels")


def test_cells_are_short_and_introduced(notebook):
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code":
            lines = cell.source.count("\n") + 1
            assert lines <= 30, _problem(notebook, cell, f"{lines} lines")
            setup = "bmu.setup(" in before.source or "find_spec" in before.source
            assert before.cell_type == "markdown" or setup, _problem(
                notebook, cell, "no sentence before"
            )


# Chapters whose second editions have not been written yet.
LONG = {
    "two-stage-detection",
    "speech-features",
    "speech-dnn",
    "speech-rnn-ctc",
}


def words(prose):
    """Count the words of Markdown; a formula in the text is one, a displayed one none."""
    prose = re.sub(r"\$\$.*?\$\$(\s*\(\S+\))?", " ", prose, flags=re.S)
    prose = re.sub(r"^\s*(:{3,}.*|:\w+:.*|\(\S+\)=)$", "", prose, flags=re.M)
    return sum(any(map(str.isalnum, word)) for word in re.sub(r"\$[^$]+\$", "x", prose).split())


def test_words_are_counted_without_displays_and_directives():
    text = "(sec-a)=\n## A b\n\n:::{prf:proof}\nLet $x = 1$ be\n\n$$\ny\n$$ (eq-a)\n:::\n- so"
    assert words(text) == 6


def test_it_is_not_too_long(chapter):
    if chapter.slug in LONG:
        pytest.skip("its second edition has not been written yet")
    lines = sum(len(cell.source.splitlines()) for cell in chapter.code)
    figures = sum("plt.show()" in cell.source for cell in chapter.code)
    assert words(chapter.prose) <= 5000
    assert len(chapter.cells) <= 120
    assert lines <= 900
    assert figures >= 6


def test_only_plotting_is_hidden(notebook):
    for cell in notebook.tagged("hide-input"):
        assert "plt." in cell.source, _problem(notebook, cell, "hidden, and not a plot")


def test_nothing_is_skipped_or_excused(notebook):
    excused = {
        "raises-exception",
        "skip-execution",
        "nbval-skip",
        "nbval-raises-exception",
        "remove-cell",
    }
    for cell in notebook.code:
        assert not excused & set(cell.metadata.get("tags", [])), _problem(notebook, cell, "excused")
        assert "NBVAL" not in cell.source, _problem(notebook, cell, "excused")


def test_setup_is_the_common_one(notebook):
    code = [c.source for c in notebook.code]
    assert code[:2] == [c.source for c in Chapter(CHAPTERS[0]).code[:2]]
    assert 'find_spec("bigmodel_utils")' in code[0]
    assert code[1] == "import bigmodel_utils as bmu\n\nSEED, PROFILE = bmu.setup(seed=0)"
    assert "import keras\n" in code[2], "the backend is settled before Keras is imported"


def test_the_sizes_of_both_profiles_stand_in_one_cell(chapter):
    assert re.search(r'"quick".*"full"', chapter.code[3].source, flags=re.S)


def test_what_the_helper_does_not_bring_is_fetched_by_the_chapter_that_needs_it(chapter):
    code = "\n".join(c.source for c in chapter.code)
    guard = (
        r'^if importlib\.util\.find_spec\("(\w+)"\) is None:.*\n    %pip install -q "\1[>=\d.]*"$'
    )
    fetched = re.findall(guard, code, flags=re.M)
    needs = {"hmmlearn"} & set(re.findall(r"^\s*(?:from|import) (\w+)", code, flags=re.M))
    assert needs == set(fetched)
    assert needs == ({"hmmlearn"} if chapter.slug == "speech-dnn" else set())


def _bound_names(function):
    """Names a function binds itself: arguments, assignments, loops, imports, inner definitions."""
    bound = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound


def test_functions_read_their_arguments_and_no_notebook_globals(notebook):
    trees = [ast.parse(_python(c)) for c in notebook.code]
    shared = set(dir(builtins)) | {"get_ipython", "__class__"}
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                shared |= {(a.asname or a.name).split(".")[0] for a in node.names}
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                shared.add(node.name)
    for cell, tree in zip(notebook.code, trees, strict=True):
        for function in [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]:
            read = {
                n.id
                for n in ast.walk(function)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
            }
            outside = read - _bound_names(function) - shared
            assert not outside, _problem(notebook, cell, f"{function.name} reads globals {outside}")


def test_a_name_means_one_thing_so_that_cells_run_again_in_any_order(notebook):
    faults = [
        f"`{name}` is bound in {[notebook.code[i].id for i in binders]}, "
        f"and {[notebook.code[i].id for i in readers]} read it without binding it first"
        for name, binders, readers in rebound([_python(c) for c in notebook.code])
    ]
    assert not faults, "Give each meaning a name of its own:\n" + "\n".join(faults)


def test_exercises_are_tagged_and_solved(chapter):
    exercises = re.findall(
        r"^:{3,}\{exercise\}.*?\n:label:\s*(\S+)(.*?)^:{3,}\s*$", chapter.prose, flags=re.M | re.S
    )
    assert 4 <= len(exercises) <= 6
    for label, text in exercises:
        assert re.search(r"\[(concept|math|code)\]\s*★{1,3}", text), f"{label} has no tag and stars"
    solved = re.findall(r"^:{3,}\{solution(?:-start)?\}\s*(\S+)", chapter.prose, flags=re.M)
    assert sorted(solved) == sorted(label for label, _ in exercises)
    starts = len(re.findall(r"^:{3,}\{solution-start\}", chapter.prose, flags=re.M))
    assert starts == len(re.findall(r"^:{3,}\{solution-end\}", chapter.prose, flags=re.M))


def test_citations_exist_in_the_bibliography(notebook):
    cited = set()
    for keys in re.findall(r"\{(?:foot)?cite(?::\w+)?\}`([^`]+)`", notebook.prose):
        cited |= {key.strip() for key in keys.split(",")}
    known = set(
        re.findall(
            r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text(encoding="utf-8"), flags=re.M
        )
    )
    assert cited, "a page cites its sources"
    assert cited - known == set()


def test_the_text_names_no_place_of_one_machine(notebook):
    everything = "\n".join(c.source for c in notebook.cells)
    for pattern in (r"/home/", r"/root/", r"/work/", r"/tmp/", r"localhost"):
        assert not re.search(pattern, everything), pattern


def test_every_assertion_can_fail(notebook):
    sources = [_python(cell) for cell in notebook.code]
    read = {n.id for s in sources for n in ast.walk(ast.parse(s)) if isinstance(n, ast.Name)}
    for cell, source in zip(notebook.code, sources, strict=True):
        for line, reason in vacuous(source, read):
            text = source.splitlines()[line - 1].strip()
            raise AssertionError(_problem(notebook, cell, f"{text!r} cannot fail: {reason}"))
