"""Which files of a folder are images, in which order, and when their folders are classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wgan.data.sources.folder import classes_of, image_names, printable
from wgan.errors import DataError


def test_immediate_sub_folders_are_classes_when_every_image_is_in_one() -> None:
    assert classes_of(["cat/1.png", "dog/1.png", "dog/deep/2.png"]) == (("cat", "dog"), [0, 1, 1])


def test_an_image_beside_the_sub_folders_leaves_the_data_unlabelled() -> None:
    assert classes_of(["1.png", "cat/1.png"]) == ((), [-1, -1])


def test_a_folder_that_holds_everything_is_no_class_but_its_sub_folders_are() -> None:
    assert classes_of(["pets/cat/1.png", "pets/dog/1.png"]) == (("cat", "dog"), [0, 1])
    assert classes_of(["emoji/1.png", "emoji/2.png"]) == ((), [-1, -1])
    assert classes_of(["a/1.png", "a/b/2.png"]) == ((), [-1, -1])


def test_images_are_found_below_and_sorted_hidden_and_other_files_are_not(tmp_path: Path) -> None:
    kept = ["a/b/3.WEBP", "a/2.jpg", "z.png"]
    ignored = ["readme.txt", ".hidden.png", ".git/4.png", "__MACOSX/a/5.png", "picture.eps"]
    for name in kept + ignored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert image_names(tmp_path) == sorted(kept)


def test_linked_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.png").touch()
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "cat").symlink_to(tmp_path / "real")
    (tmp_path / "shown" / "loop").symlink_to(tmp_path / "shown")
    assert image_names(tmp_path / "shown") == ["cat/1.png"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no image files"):
        image_names(tmp_path)


def test_a_name_that_is_not_text_can_be_listed() -> None:
    assert printable("a\udcff.png") == "a\\udcff.png"
