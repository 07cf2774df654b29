"""CI and hooks run what `make` runs, and the changelog has the version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import wgan

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
TELLING = [
    ".github/workflows/checks.yaml",
    ".github/pull_request_template.md",
    "CONTRIBUTING.md",
    "README.md",
    ".ci/run",
]


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", TELLING)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    calls = re.findall(r"(?:`|run: |^)make((?: [a-z][a-z-]*)+)", (ROOT / name).read_text(), re.MULTILINE)
    named = {target for call in calls for target in call.split()}
    assert named
    assert named <= TARGETS


def test_the_workflow_checks_every_change_by_make_and_ci_alone() -> None:
    workflow = loaded(".github/workflows/checks.yaml")
    assert {"push", "pull_request"} <= workflow["on"].keys()
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert all(command.startswith("make ") or ".ci/" in command for command in commands)
    assert any(".ci/run" in command for command in commands)


def test_the_hooks_call_the_environments_own_tools_so_that_they_work_offline() -> None:
    hooks = loaded(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    tools = {hook["entry"].split()[0] for hook in hooks[0]["hooks"]}
    assert tools == {f".venv/bin/{tool}" for tool in ("ruff", "mypy", "yamllint")}


def test_the_hooks_and_make_lint_the_yaml_by_the_same_rules() -> None:
    entries = [hook["entry"] for hook in loaded(".pre-commit-config.yaml")["repos"][0]["hooks"]]
    rules = [entry.removeprefix(".venv/bin/") for entry in entries if "yamllint" in entry]
    assert rules
    assert all(f"$(BIN)/{rule}" in MAKEFILE for rule in rules)


def test_the_changelog_has_the_version_and_an_unreleased_section() -> None:
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert wgan.__version__ in versions


def test_the_package_and_the_module_have_one_version() -> None:
    assert f'version = "{wgan.__version__}"' in (ROOT / "pyproject.toml").read_text()
