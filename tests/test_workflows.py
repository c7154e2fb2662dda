"""The workflows: pinned, with no more rights than a job needs, on the supported Pythons."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# The rights to write that a job may have, and why.
MAY_WRITE = {
    ("book", "deploy"): {"pages", "id-token"},  # publishes the site
    ("book", "notebooks"): {"contents"},  # pushes the derived notebooks to their branch
    ("weekly", "report"): {"issues"},  # says what failed
}


def jobs():
    """Every job: the name of its workflow, its own, and what it says."""
    for path in PATHS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, job in workflow["jobs"].items():
            yield path.stem, name, job


def unpinned(text):
    """List the lines that use an action without a commit's hash and its version beside it."""
    lines = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]
    return [line for line in lines if not PINNED.fullmatch(line)]


def excessive(workflow, name, job):
    """List the rights of a job that it is not meant to have."""
    rights = job.get("permissions")
    if not isinstance(rights, dict):
        return ["it does not name its permissions"]
    writes = {right for right, level in rights.items() if level == "write"}
    return sorted(writes - MAY_WRITE.get((workflow, name), set()))


def test_there_are_workflows():
    assert [path.stem for path in PATHS] == ["book", "check", "weekly"]
    assert len(list(jobs())) >= 8


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_one_action_has_one_version(path):
    assert unpinned(path.read_text(encoding="utf-8")) == []
    used = set(re.findall(r"uses: .*", "".join(p.read_text(encoding="utf-8") for p in PATHS)))
    names = [line.split("@")[0] for line in used]
    assert len(names) == len(set(names)) > 3


@pytest.mark.parametrize(
    "line",
    [
        "- uses: actions/checkout@v7",
        "- uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
        "- uses: actions/checkout@3d3c42e # v7.0.1",
        "  uses: owner/name/path@main # v1.0.0",
    ],
)
def test_a_loose_action_is_noticed(line):
    assert len(unpinned(f"    steps:\n      {line}\n")) == 1


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_rights_are_given_to_jobs_alone(path):
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {}


@pytest.mark.parametrize(("workflow", "name", "job"), jobs(), ids=str)
def test_a_job_has_the_rights_it_needs_and_a_limit(workflow, name, job):
    assert excessive(workflow, name, job) == []
    assert job["timeout-minutes"] <= 90
    for step in job["steps"]:
        if "actions/checkout@" in step.get("uses", ""):
            keeps = step.get("with", {}).get("persist-credentials", True)
            assert keeps is False or "contents" in MAY_WRITE.get((workflow, name), ())
            assert "contents" in job["permissions"]


def test_a_job_with_too_many_rights_is_noticed():
    assert excessive("check", "everything", {})
    assert excessive("check", "everything", {"permissions": "write-all"})
    assert excessive("check", "everything", {"permissions": {"contents": "write"}}) == ["contents"]
    assert excessive("weekly", "report", {"permissions": {"issues": "write"}}) == []


@pytest.mark.parametrize(("workflow", "name", "job"), jobs(), ids=str)
def test_no_text_of_others_is_pasted_into_a_command(workflow, name, job):
    """Values reach a command as variables; only our own matrix may stand in it."""
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    assert re.sub(r"\$\{\{ matrix\.\w+ \}\}", "", commands).count("${{") == 0


def test_the_supported_pythons_are_tested():
    supported = SpecifierSet(PROJECT["requires-python"])
    versions = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in supported]
    matrices = [job["strategy"]["matrix"] for *_, job in jobs() if "strategy" in job]
    assert [matrix["python"] for matrix in matrices if "python" in matrix] == [versions]
    chosen = re.findall(
        r'python-version: "(.*)"', "".join(p.read_text(encoding="utf-8") for p in PATHS)
    )
    assert set(chosen) <= set(versions) and len(chosen) > 3


def test_commands_name_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [step.get("run", "") for *_, job in jobs() for step in job["steps"]]
    targets = re.findall(r"^make ([\w-]+)", "\n".join(commands), re.M)
    assert len(targets) > 3
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_a_failed_week_is_told_once_and_by_every_job():
    weekly = {name: job for workflow, name, job in jobs() if workflow == "weekly"}
    report = weekly.pop("report")
    assert set(report["needs"]) == set(weekly) and report["if"] == "failure()"
    (step,) = report["steps"]
    assert all(f"needs.{name}.result" in step["env"]["RESULTS"] for name in weekly)
    assert step["run"].index("gh issue list") < step["run"].index("gh issue create")


def test_dependabot_watches_actions_and_packages():
    text = (ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")
    updates = yaml.safe_load(text)["updates"]
    watched = {(entry["package-ecosystem"], entry["directory"]) for entry in updates}
    assert {("github-actions", "/"), ("pip", "/"), ("pip", "/binder")} <= watched
