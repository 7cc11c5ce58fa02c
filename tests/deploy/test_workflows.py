"""The workflows are well formed, run only what is pinned, may do little, and call what there is.

Their syntax is held against the schema that check-jsonschema ships, what they let happen is looked at by zizmor;
both need no network.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: run `make setup`")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def tool(name: str) -> str:
    found = Path(sys.executable).with_name(name)
    if not found.exists():
        pytest.skip(f"{name} is not installed: run `make setup`")
    return str(found)


def said_by(*command: str | Path) -> str:
    """What a checker complains of."""
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def commands(workflow: dict[str, Any]) -> list[str]:
    return [line for step in steps(workflow) for line in str(step.get("run", "")).splitlines()]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_a_workflow_keeps_to_the_schema(path: Path):
    assert said_by(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path) == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_a_workflow_lets_nothing_dangerous_happen(path: Path):
    assert (
        said_by(tool("zizmor"), "--offline", "--no-progress", "--config", ROOT / ".github" / "zizmor.yml", path) == ""
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is(path: Path):
    used = re.findall(r"^ *(?:- )?uses: *(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w-]+\.yml")
    assert [line for line in used if not pinned.fullmatch(line)] == []


def test_one_action_has_one_version_everywhere():
    found = {
        tuple(line.split("@", 1))
        for path in WORKFLOWS
        for line in re.findall(r"uses: *(\S+@.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(found) == len({name for name, _ in found})


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_every_make_target_that_is_called_exists(path: Path):
    there = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    called = {target for line in commands(read(path)) for target in re.findall(r"^make ([a-z]+)", line)}
    assert called - there == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_every_file_that_is_named_exists(path: Path):
    named = {name for line in commands(read(path)) for name in re.findall(r"(?:@|--constraint )([\w./-]+)", line)}
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=names(WORKFLOWS))
def test_a_workflow_has_no_right_that_a_job_did_not_ask_for(path: Path):
    workflow = read(path)
    assert workflow["permissions"] == {}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert {name: of for name, of in rights.items() if of != {"contents": "read"}} == (
        {"publish": {"id-token": "write"}} if path.name == "publish.yml" else {}
    )
    assert all(job.get("timeout-minutes", 0 if "steps" in job else 1) for job in workflow["jobs"].values())


def test_the_suite_runs_on_every_python_that_is_promised():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    ci = read(ROOT / ".github" / "workflows" / "ci.yml")
    assert ci["jobs"]["test"]["strategy"]["matrix"]["python"] == promised


def test_the_tests_for_every_system_are_there():
    arguments = (ROOT / "tests" / "smoke.args").read_text(encoding="utf-8").split("\n")
    paths = [argument for argument in arguments if argument.startswith("tests/")]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_only_what_was_checked_and_built_from_the_tag_is_published():
    publish = read(ROOT / ".github" / "workflows" / "publish.yml")
    # YAML takes `on` for a truth value.
    assert publish[True] == {"push": {"tags": ["v*"]}}
    job = publish["jobs"]["publish"]
    assert set(job["needs"]) == {"check", "build"}
    assert not any("run" in step for step in job["steps"])
    assert commands(publish) == ['python .ci/release.py "$GITHUB_REF_NAME"', "make dist"]


# --- the tag ---------------------------------------------------------------------------------------


def refusal(tag: str, changelog: str = "## [Unreleased]\n\n## [1.2.3]\n\n- New.\n\n## [1.2.2]\n") -> str | None:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.refusal(tag, '[project]\nname = "x"\nversion = "1.2.3"\n', changelog)


def test_the_tag_of_the_version_may_be_published():
    assert refusal("v1.2.3") is None


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2.4", "v1.2.3rc1", "v1.2", ""])
def test_a_tag_that_is_not_the_version_is_refused(tag: str):
    assert "the tag must be 'v1.2.3'" in str(refusal(tag))


@pytest.mark.parametrize("changelog", ["", "## [1.2.3]\n\n## [1.2.2]\n\n- Old.\n", "## [11213]\n\n- Other.\n"])
def test_a_version_that_the_changelog_says_nothing_of_is_refused(changelog: str):
    assert "CHANGELOG.md says nothing of 1.2.3" in str(refusal("v1.2.3", changelog))


def test_the_command_refuses_a_wrong_tag():
    command = [sys.executable, ROOT / ".ci" / "release.py", "v0.0.0"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "The tag is 'v0.0.0'" in done.stderr
