"""Test the checks of the chapters: make small mistakes in their functions, and count those refused.

    python -m tools.mutants                    every chapter
    python -m tools.mutants seq2seq --verbose  one chapter, with the check that refuses each mistake

A chapter's cells are run in order. Before a cell tagged `check`, the process is copied (`os.fork`):
one copy runs the check as it stands and notes which lines of the chapter's functions it executes;
then, for each mistake on such a line, a copy makes the mistake and runs the check. What a copy does
to arrays, generators and models is gone with the copy, so mistakes cannot influence each other. A
mistake that raises an exception, needs too much time or memory, or fails an assertion is refused;
one that every check accepts survives. Survivors that make no difference are listed, with the
reason, in `mutants_equivalent.toml`.

Copies of a process have one thread. TensorFlow therefore gets one thread here, and runs its
compiled functions step by step in the copies.
"""

import argparse
import ast
import contextlib
import dataclasses
import datetime
import faulthandler
import functools
import gc
import hashlib
import io
import json
import linecache
import math
import multiprocessing
import os
import random
import re
import resource
import select
import signal
import sys
import tempfile
import tomllib
import types
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import mutations  # noqa: E402  (found through the line above)

EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
RECORD = ROOT / "benchmarks" / "recorded" / "mutants.json"
IDLE_SECONDS = 15.0
SCOPES = (
    ast.FunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
# Statements whose parts are evaluated in another order than they are written.
EVALUATED = {
    ast.Assign: ("value", "targets"),
    ast.For: ("iter", "target", "body", "orelse"),
    ast.NamedExpr: ("value", "target"),
}
# What could make two runs differ, or lets a copied process wait for a thread that it does not have.
ENVIRONMENT = {
    "BIGMODEL_PROFILE": "quick",
    "BIGMODEL_SEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a chapter may cost.

    Attributes:
        most: int, about how many mistakes are tried in a chapter; a fixed sample of all.
        cell_seconds: float, CPU seconds after which a cell is given up.
        check_seconds: float, CPU seconds that a check may take to be used.
        memory: int, bytes that a check with a mistake may need more than the chapter has.
    """

    most: int = 300
    cell_seconds: float = 20.0
    check_seconds: float = 8.0
    memory: int = 2 * 1024**3


@dataclasses.dataclass
class Mistake:
    """A mutation of a chapter and what became of it.

    Attributes:
        mutation: mutations.Mutation.
        cell: str, id of the cell that defines the function.
        original: function, as the chapter defined it; None before that.
        reached: bool, whether a check executes the line.
        sampled: bool, whether it is tried.
        accepted_by: list of str, ids of the checks that accepted it.
        killed_by: str, id of the check that refused it; empty if none did.
        reason: str, how it was refused, or why it could not be made.
        why: str, why it makes no difference, where the list of equivalents says so.
    """

    mutation: mutations.Mutation
    cell: str
    original: types.FunctionType | None = None
    reached: bool = False
    sampled: bool = False
    accepted_by: list = dataclasses.field(default_factory=list)
    killed_by: str = ""
    reason: str = ""
    why: str = ""

    def tried(self):
        """Whether a check has judged it."""
        return bool(self.killed_by or self.accepted_by)

    def key(self):
        """What identifies it in the list of equivalents."""
        return self.mutation.function, self.mutation.text, self.mutation.change


@dataclasses.dataclass
class Report:
    """What came out for a chapter.

    Attributes:
        slug: str.
        mistakes: list of Mistake, those that a check reaches.
        left_out: dict from the ids of cells that could not be used to the reason.
        stale: list of str, entries of the list of equivalents that no longer hold.
        seconds: float, CPU seconds.
    """

    slug: str
    mistakes: list
    left_out: dict
    stale: list
    seconds: float

    def row(self):
        """Summarise as a row of the record."""
        tried = [m for m in self.mistakes if m.tried()]
        killed = sum(bool(m.killed_by) for m in tried)
        equivalent = sum(bool(m.why) and not m.killed_by for m in tried)
        judged = len(tried) - equivalent
        return {
            "killed": killed,
            "tried": len(tried),
            "equivalent": equivalent,
            "share": round(killed / judged, 3) if judged else 0.0,
            "reached": len(self.mistakes),
            "left_out": list(self.left_out),
        }


class TooLong(BaseException):
    """A cell has used its time; not an Exception, so that no cell catches it."""


def python(cell):
    """Return a cell's Python: IPython's `%` and `!` lines become `pass`."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)


def is_check(cell):
    """Whether a cell is one of the chapter's checks."""
    return "check" in cell.metadata.get("tags", [])


@contextlib.contextmanager
def at_most(seconds):
    """Raise TooLong in the block when it has used that many CPU seconds."""

    def stop(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(source, space, name):
    """Run a cell in a namespace, in silence; tracebacks and TensorFlow find its text by `name`."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        exec(compile(source, name, "exec"), space)


def in_copy(task, seconds, memory):
    """Run a task in a copy of this process.

    Args:
        task: callable without arguments; returns a str.
        seconds: float, CPU seconds after which the copy is stopped.
        memory: int, bytes that it may allocate.

    Returns:
        what the task returned, or None if it raised, died or was stopped; the reason of a failure;
        the CPU seconds that it took.
    """
    reader, writer = os.pipe()
    state = random.getstate()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            random.setstate(state)  # Python seeds it afresh in a copy
            _confine(seconds, memory)
            answer = ["done", task()]
        except BaseException as error:
            answer = ["failed", _one_line(error)]
        with contextlib.suppress(BaseException), os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    parts, spent = [], -1
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while True:
            if select.select([pipe], [], [], IDLE_SECONDS)[0]:
                parts.append(pipe.read(65536))
                if not parts[-1]:
                    break
            elif spent == (spent := _processor_ticks(pid)):  # it waits for what never comes
                os.kill(pid, signal.SIGKILL)
                break
    _, status, used = os.wait4(pid, 0)
    took = used.ru_utime + used.ru_stime
    try:
        outcome, text = json.loads(b"".join(parts))
    except ValueError:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        stopped = number in (signal.SIGXCPU, signal.SIGKILL)
        return None, "stopped: it did not end" if stopped else f"died of signal {number}", took
    return (text, "", took) if outcome == "done" else (None, text, took)


def _processor_ticks(pid):
    """Read what a process has used of the processor; 0 where the system does not say."""
    state = Path(f"/proc/{pid}/stat")
    fields = (
        state.read_text(encoding="utf-8").rpartition(")")[2].split()
        if state.exists()
        else ["0"] * 13
    )
    return int(fields[11]) + int(fields[12])


def _one_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _confine(seconds, memory):
    """Give this process no voice, one thread's way of working, and limits."""
    faulthandler.disable()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    whole = math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))
    pages = Path("/proc/self/statm")
    if pages.exists():
        size = int(pages.read_text(encoding="utf-8").split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.run_functions_eagerly(True)


def executed_lines(source, space, name, files):
    """Run a cell and note the lines of other cells that it executes.

    Returns:
        str, JSON of the sorted list of [file name, line].
    """
    lines = set()

    def watch(frame, event, argument):
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return watch

    sys.settrace(watch)
    try:
        run(source, space, name)
    finally:
        sys.settrace(None)
    return json.dumps(sorted(lines))


def chapter_functions():
    """Find every function that the chapter's cells have made, however deep inside something."""
    return [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, types.FunctionType) and thing.__code__.co_filename.startswith("cell ")
    ]


def make_mistake(mistake, space, made):
    """Give a function the code of its wrong version, wherever the chapter holds the function.

    Args:
        mistake: Mistake.
        space: dict, the notebook's names.
        made: list of functions, those inside the wrong one among them: a closure that exists
            already has the code that it was made with.

    Raises:
        ValueError: if the wrong version cannot take the function's place.
    """
    mutation, original = mistake.mutation, mistake.original
    name, fresh = f"<mistake in {mutation.function}>", dict(space)
    source = mutation.source()
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), fresh)
    wrong = find(fresh, mutation.function)
    inner = dict(_inner_codes(original.__code__, wrong.__code__))
    for closure in made if inner else []:
        if id(closure.__code__) in inner:
            with contextlib.suppress(ValueError):  # it has another number of free variables
                closure.__code__ = inner[id(closure.__code__)]
    original.__code__ = wrong.__code__
    original.__defaults__, original.__kwdefaults__ = wrong.__defaults__, wrong.__kwdefaults__


def _inner_codes(old, new):
    """Yield (id of old code, new code) of the functions inside a function."""
    pairs = [[c for c in code.co_consts if isinstance(c, types.CodeType)] for code in (old, new)]
    for a, b in zip(*pairs, strict=False):
        if a.co_name == b.co_name and (a.co_name == "<lambda>" or a.co_name[0] != "<"):
            yield id(a), b
        yield from _inner_codes(a, b)


def find(space, name):
    """Find the plain function behind a name such as `Layer.call`; None if there is none."""
    first, *rest = name.split(".")
    thing = space.get(first)
    for part in rest:
        thing = vars(thing).get(part) if isinstance(thing, type) else None
    thing = getattr(thing, "__func__", None) or getattr(thing, "fget", None) or thing
    while hasattr(thing, "__wrapped__"):
        thing = thing.__wrapped__
    return thing if isinstance(thing, types.FunctionType) else None


def chosen(slug, mutation, share):
    """Whether a mistake belongs to the sample: decided by its text alone, the same in every run."""
    text = "\0".join([slug, mutation.function, mutation.text, mutation.change])
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) < share * 16**12


def attempt(source, space, name, mistake=None, made=()):
    """Run a check, with a mistake made before it; return "" or why the mistake cannot be made."""
    if mistake is not None:
        try:
            make_mistake(mistake, space, made)
        except Exception as error:
            return _one_line(error)
    run(source, space, name)
    return ""


def named_by_checks(cells):
    """Collect the names of functions that a check calls, itself or through other functions.

    Args:
        cells: list of code cells.

    Returns:
        set of str; of a class whose name occurs, the class's name.
    """
    definitions, todo = {}, []
    for cell in cells:
        tree = ast.parse(python(cell))
        if is_check(cell):
            todo.append(tree)
        else:
            known = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
            definitions |= {n.name: n for n in known}
    named = {name for name, node in definitions.items() if isinstance(node, ast.ClassDef)}
    while todo:
        words = {n.id for n in ast.walk(todo.pop()) if isinstance(n, ast.Name)}
        new = (words & set(definitions)) - named
        named |= new
        todo += [definitions[name] for name in new]
    return named


def needed(cells):
    """Choose the cells that the checks need: those that make or change what they read.

    Args:
        cells: list of code cells.

    Returns:
        list of cells, with the checks. What only draws, prints or trains for a table that no check
        looks at is left out; a shared generator of random numbers may then be in another state.
    """
    chosen_cells, wanted = [], set()
    imported = set().union(*(mutations.imported_names(ast.parse(python(c))) for c in cells))
    for cell in reversed(cells):
        tree = ast.parse(python(cell))
        made, read = set(), set()
        sort_names(tree, made, read)
        if is_check(cell) or (made | changed_names(tree) - imported) & wanted:
            chosen_cells.append(cell)
            wanted = wanted - made | read
    return chosen_cells[::-1]


def sort_names(node, made, read):
    """Add the names that a cell binds to `made`, and those that it reads from before to `read`."""
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            made.add(node.id)
        elif node.id not in made:
            read.add(node.id)
    elif isinstance(node, SCOPES):
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
        own = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
        own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
        read |= {n.id for n in names} - own - made
        made |= {node.name} if hasattr(node, "name") else set()
    elif isinstance(node, ast.alias):
        made.add((node.asname or node.name).split(".")[0])
    else:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            read |= {node.target.id} - made
        for field in EVALUATED.get(type(node), node._fields):
            value = getattr(node, field)
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    sort_names(child, made, read)


def changed_names(tree):
    """Collect what a cell changes: by storing inside it, or by a call made for its effect."""
    changed = set()
    for node in ast.walk(tree):
        stores = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
        acts = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if acts and re.match(r"print|(\w+\.)*assert_", ast.unparse(node)):
            continue
        if stores or acts:
            changed |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return changed


def try_chapter(path, limits):
    """Make mistakes in a chapter's functions and let its checks judge them.

    Args:
        path: Path of the notebook.
        limits: Limits, in CPU seconds of this machine.

    Returns:
        list of Mistake, all that the chapter allows; dict from the ids of the cells that were left
        out to the reason.
    """
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    while cells and not is_check(cells[-1]):
        cells.pop()
    mistakes = list_mistakes(cells, path.stem, limits.most)
    module = types.ModuleType("chapter_under_test")
    sys.modules[module.__name__], space = module, vars(module)
    left_out = {}
    for cell in needed(cells):
        if is_check(cell):
            problem = judge(cell, space, [m for m in mistakes if m.original], limits)
            gc.unfreeze()
            if problem:
                left_out[cell.id] = problem
        # Imports take as long as they take: nothing works without them.
        seconds = 0 if re.search(r"^(import|from) ", cell.source, re.M) else limits.cell_seconds
        try:
            with at_most(seconds):
                run(python(cell), space, f"cell {cell.id}")
        except TooLong:
            left_out.setdefault(cell.id, f"takes more than {seconds:.1f} s")
        except Exception as error:
            left_out.setdefault(cell.id, _one_line(error))
        for mistake in mistakes:
            if mistake.cell == cell.id:
                mistake.original = find(space, mistake.mutation.function)
    return mistakes, left_out


def list_mistakes(cells, slug, most):
    """List the mistakes in the functions of all cells but the checks, and choose the sample."""
    imported = set()
    for cell in cells:
        imported |= mutations.imported_names(ast.parse(python(cell)))
    mistakes = [
        Mistake(mutation, cell.id)
        for cell in cells
        if not is_check(cell)
        for mutation in mutations.mutations(python(cell), imported)
    ]
    named = named_by_checks(cells)
    likely = sum(m.mutation.function.split(".")[0] in named for m in mistakes)
    for mistake in mistakes:
        mistake.sampled = chosen(slug, mistake.mutation, most / max(1, likely))
    return mistakes


def judge(cell, space, mistakes, limits):
    """Let a check judge the mistakes that it reaches and that no check has refused yet.

    Args:
        cell: the check.
        space: dict, the notebook's names as they are before the check.
        mistakes: list of Mistake; what became of them is entered.
        limits: Limits.

    Returns:
        str, why the check cannot be used; empty if it can.
    """
    source, name = python(cell), f"cell {cell.id}"
    nested = any(any(_inner_codes(m.original.__code__, m.original.__code__)) for m in mistakes)
    made = chapter_functions() if nested else []
    gc.freeze()  # the copies' collector then leaves the memory alone that they share
    _, problem, took = in_copy(
        lambda: attempt(source, space, name), limits.check_seconds, limits.memory
    )
    if problem:
        return problem
    files = {f"cell {m.cell}" for m in mistakes}
    text, problem, _ = in_copy(
        lambda: executed_lines(source, space, name, files), 30 * took + 10, limits.memory
    )
    if problem:
        return f"with its lines traced: {problem}"
    executed = {tuple(place) for place in json.loads(text)}
    for mistake in mistakes:
        here = {(f"cell {mistake.cell}", line) for line in mistake.mutation.reached_by}
        if not here & executed:
            continue
        mistake.reached = True
        if not mistake.sampled or mistake.killed_by:
            continue
        task = functools.partial(attempt, source, space, name, mistake, made)
        text, problem, _ = in_copy(task, max(1, 5 * took), limits.memory)
        if problem:
            mistake.killed_by, mistake.reason = cell.id, problem
        elif text:
            mistake.reason = f"cannot be made: {text}"
        else:
            mistake.accepted_by.append(cell.id)
    return ""


def read_equivalents(path):
    """Read the list of mistakes that make no difference.

    Args:
        path: Path of a TOML file with an array of tables for each chapter; each table has
            `function`, `line`, `change` and `why`.

    Returns:
        dict from slug to a dict from (function, line, change) to the reason.

    Raises:
        SystemExit: if an entry lacks a field or a reason.
    """
    listed = {}
    for slug, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for entry in entries:
            lacking = [f for f in ("function", "line", "change", "why") if not entry.get(f)]
            if lacking:
                raise SystemExit(f"{path.name}: an entry of {slug} has no {lacking[0]}: {entry}")
            key = entry["function"], entry["line"], entry["change"]
            listed.setdefault(slug, {})[key] = entry["why"]
    return listed


def apply_equivalents(mistakes, listed):
    """Enter the reasons of the list, and say which of its entries no longer hold.

    Args:
        mistakes: list of Mistake, all that the chapter allows; `why` is entered.
        listed: dict from (function, line, change) to the reason.

    Returns:
        list of str.
    """
    for mistake in mistakes:
        mistake.why = listed.get(mistake.key(), "")
    known = {m.key() for m in mistakes}
    stale = [f"{': '.join(key)}: there is no such mistake" for key in listed if key not in known]
    refused = [m for m in mistakes if m.why and m.killed_by]
    return stale + [f"{': '.join(m.key())}: check {m.killed_by} refuses it" for m in refused]


def report(path, listed, limits):
    """Try a chapter in a process of its own, and sum up.

    Args:
        path: Path of the notebook.
        listed: dict from (function, line, change) to the reason why it makes no difference.
        limits: Limits, in CPU seconds of this machine.

    Returns:
        Report.
    """
    before = os.times()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        mistakes, left_out = try_chapter(path, limits)
    stale = apply_equivalents(mistakes, listed)
    mistakes = [m for m in mistakes if m.reached]
    for mistake in mistakes:
        mistake.original = None  # a function cannot travel to another process
    spent = sum(os.times()[:4]) - sum(before[:4])
    return Report(path.stem, mistakes, left_out, stale, spent)


def show(report, verbose):
    """Describe a chapter's survivors, what was left out, and what is stale, as text."""
    lines = [f"\n{report.slug}"]
    for mistake in report.mistakes:
        mutation = mistake.mutation
        place = f"{mutation.function}, line {mutation.line} of cell {mistake.cell}"
        accepted = ", ".join(mistake.accepted_by)
        if mistake.killed_by and verbose:
            lines.append(f"  refused by {mistake.killed_by}: {place}: {mutation.change}")
            lines.append(f"      {mistake.reason}")
        elif not mistake.tried() and mistake.reason and verbose:
            lines.append(f"  {mistake.reason}: {place}: {mutation.change}")
        elif mistake.tried() and not mistake.killed_by and (verbose or not mistake.why):
            lines.append(f"  SURVIVES {place}, accepted by {accepted}")
            lines.append(f"      {mutation.text}")
            lines.append(f"      {mutation.change}")
            if mistake.why:
                lines.append(f"      makes no difference: {mistake.why}")
    lines += [f"  left out: cell {cell}: {why}" for cell, why in report.left_out.items()]
    lines += [f"  stale entry of {EQUIVALENT.name}: {text}" for text in report.stale]
    return "\n".join(lines)


def table(reports):
    """Lay out the rows of all chapters as text."""
    lines = [f"{'':24}{'killed':>8}{'tried':>8}{'equivalent':>12}{'share':>8}{'reached':>9}"]
    for each in reports:
        row = each.row()
        lines.append(
            f"{each.slug:24}{row['killed']:8}{row['tried']:8}{row['equivalent']:12}"
            f"{row['share']:8.2f}{row['reached']:9}"
        )
    return "\n".join(lines)


def write_record(path, reports, core_speed, date):
    """Enter the rows of the chapters that were tried in the record, and keep the others.

    Args:
        path: Path of the JSON file; made if it is missing.
        reports: list of Report.
        core_speed: float, CPU seconds of this machine over those of the reference core.
        date: str, year-month-day.
    """
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    chapters = {**record.get("chapters", {}), **{r.slug: r.row() for r in reports}}
    record = {"date": date, "core_speed": core_speed, "chapters": dict(sorted(chapters.items()))}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def choose(folder, slugs):
    """Find the notebooks of the chapters that were asked for; all if none was.

    Raises:
        SystemExit: if there is no such chapter.
    """
    paths = {p.stem: p for p in sorted(folder.glob("*.ipynb"))}
    unknown = [slug for slug in slugs if slug not in paths]
    if unknown:
        raise SystemExit(f"No chapter is called {unknown[0]!r}. There are: {', '.join(paths)}.")
    return [paths[slug] for slug in slugs or paths]


def silence():
    """Throw away what TensorFlow writes past Python while it starts."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def try_all(paths, equivalents, limits, jobs):
    """Try several chapters, each in a fresh process; yield their reports as they come."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, silence, max_tasks_per_child=1) as pool:
        tasks = [pool.submit(report, p, equivalents.get(p.stem, {}), limits) for p in paths]
        yield from (task.result() for task in as_completed(tasks))


def measure_core_speed():
    """Compare this machine's cores with the reference core; see `benchmarks/core_speed.py`."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from core_speed import core_speed  # it imports NumPy, which the made-up notebooks do not need

    return core_speed(repeats=2)


def main(arguments=None):
    """Read the command line, try the chapters, print and record what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="*", help="names of chapters; all if none is given")
    parser.add_argument("--folder", type=Path, default=ROOT / "chapters")
    parser.add_argument("--jobs", type=int, default=2, help="chapters tried side by side")
    parser.add_argument("--most", type=int, default=Limits.most, help="mistakes tried in a chapter")
    parser.add_argument(
        "--cell-seconds",
        type=float,
        default=Limits.cell_seconds,
        help="reference seconds after which a cell is given up",
    )
    parser.add_argument(
        "--check-seconds",
        type=float,
        default=Limits.check_seconds,
        help="reference seconds that a check may take to be used",
    )
    parser.add_argument("--core-speed", type=float, help="measured unless it is given")
    parser.add_argument("--verbose", action="store_true", help="show refused mistakes too")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    if not hasattr(os, "fork"):
        raise SystemExit("The checks are tested in copies of a process: this needs Linux or macOS.")
    paths, equivalents = choose(options.folder, options.chapters), read_equivalents(EQUIVALENT)
    os.environ.update(ENVIRONMENT)
    speed = options.core_speed or measure_core_speed()
    limits = Limits(options.most, options.cell_seconds * speed, options.check_seconds * speed)
    reports = []
    for each in try_all(paths, equivalents, limits, options.jobs):
        reports.append(each)
        print(show(each, options.verbose))
        print(f"  {each.seconds / speed:.0f} reference seconds", flush=True)
    reports.sort(key=lambda each: each.slug)
    print("\n" + table(reports))
    if options.record:
        write_record(RECORD, reports, round(speed, 2), datetime.date.today().isoformat())
    if any(each.stale for each in reports):
        raise SystemExit(f"{EQUIVALENT.name} has stale entries: see above.")


if __name__ == "__main__":
    main()
