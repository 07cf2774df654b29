"""What `.ci/run` does with the parts that it runs only while there is time for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"
PART = "as_time_allows 600 test-long && say_what_was_left_out"


@pytest.fixture
def ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `make` does what its targets' scripts say, and notes what it was called with."""
    make = tmp_path / "bin/make"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n. {tmp_path}/$1\n')
    make.chmod(0o755)
    for target in ("test-long", "test-failed"):
        (tmp_path / target).write_text("exit 0")
    monkeypatch.setenv("PATH", f"{make.parent}:/usr/bin:/bin")
    return tmp_path


def run(script: str) -> subprocess.CompletedProcess[str]:
    whole = f". {CI}/within_the_limit.sh\n{script}"
    return subprocess.run(["bash", "-euo", "pipefail", "-c", whole], capture_output=True, text=True, timeout=60)


def called(ci: Path) -> list[str]:
    return (ci / "called").read_text().splitlines() if (ci / "called").exists() else []


def test_a_part_for_which_there_is_time_is_run(ci: Path) -> None:
    ended = run(f"SECONDS=2000; set_pace 2000; {PART}")
    assert (ended.returncode, ended.stdout) == (0, "CI left out nothing, in 33 min.\n")
    assert called(ci) == ["test-long"]


def test_a_part_for_which_there_is_none_is_left_out_with_the_reason(ci: Path) -> None:
    ended = run(f"SECONDS=3000; set_pace 1000; {PART}")
    assert ended.returncode == 0
    assert ended.stdout == "CI left out make test-long: takes about 30 min on this machine; 20 min are left.\n"
    assert called(ci) == []


def test_a_part_that_is_stopped_at_the_limit_counts_as_left_out(ci: Path) -> None:
    (ci / "test-long").write_text("exec sleep 60")
    ended = run(f"hard_limit=1; {PART}")
    assert ended.returncode == 0
    assert ended.stdout == "CI left out make test-long: stopped after 0 min of this run.\n"
    assert called(ci) == ["test-long"]


def test_what_fails_is_run_once_more_in_the_same_environment(ci: Path) -> None:
    (ci / "test-long").write_text("exit 2")
    assert run(f"as_time_allows 600 test-long VENV=.venv-3.13; {PART}").returncode == 0
    assert called(ci)[:2] == ["test-long VENV=.venv-3.13", "test-failed VENV=.venv-3.13"]


def test_what_fails_twice_fails_the_run(ci: Path) -> None:
    for target in ("test-long", "test-failed"):
        (ci / target).write_text("exit 2")
    assert run(PART).returncode == 2


@pytest.mark.parametrize("options", [["--all"], ["--everything", "--twice"]])
def test_an_unknown_option_is_refused_in_one_sentence(options: list[str]) -> None:
    ended = subprocess.run([CI / "run", *options], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (
        2,
        f".ci/run: {' '.join(options)}: the only option is --everything.\n",
    )
