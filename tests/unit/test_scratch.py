"""Temporary folders are removed with their process, at the latest when the next one is created."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wgan.scratch import clear_abandoned, scratch_folder

HELD = """
import time
from wgan.scratch import scratch_folder
with scratch_folder("evaluation") as folder:
    (folder / "large").write_bytes(b"0" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_empty_and_private_and_removed_afterwards(temporary: Path) -> None:
    with scratch_folder("export") as folder:
        assert list(folder.iterdir()) == []
        assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(temporary.iterdir()) == []


def test_the_next_folder_removes_those_of_killed_processes_and_keeps_those_in_use(temporary: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert clear_abandoned() == 0
        assert (folder / "large").is_file()
        process.send_signal(signal.SIGKILL)
    with scratch_folder("evaluation"):
        assert not folder.exists()


def test_folders_of_others_stay(temporary: Path) -> None:
    (temporary / "wgan-tests-1").mkdir()
    (temporary / "wgan-tests-1" / "file").touch()
    (temporary / "wgan-link").symlink_to(temporary / "wgan-tests-1")
    assert clear_abandoned() == 0
    assert (temporary / "wgan-tests-1" / "file").is_file()
