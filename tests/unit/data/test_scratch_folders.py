"""Scratch folders are removed after their block, and after their process."""

from __future__ import annotations

from pathlib import Path

from wgan.data.workspace import LOCK_NAME, workspace
from wgan.settings import Settings


def test_a_scratch_folder_is_removed_after_its_block(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path)
    with workspace(settings) as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_leftovers_of_a_killed_process_are_removed_and_folders_in_use_are_not(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path)
    left = settings.cache / "preparing" / "left"
    (left / "contents").mkdir(parents=True)
    (left / LOCK_NAME).touch()
    with workspace(settings) as first, workspace(settings) as second:
        assert not left.exists()
        assert first.is_dir()
        assert second.is_dir()
        assert first != second
