"""Which files of a folder are images, in which order, and when their folders are classes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from PIL import Image

from wgan.data.images import Shape, decode
from wgan.data.local_location import existing_folder
from wgan.data.picture import BadImage
from wgan.data.source import printable
from wgan.data.sources.folder import classes_of, list_images
from wgan.errors import DataError


def test_immediate_sub_folders_are_classes_when_every_image_is_in_one() -> None:
    assert classes_of(["cat/1.png", "dog/1.png", "dog/deep/2.png"]) == (("cat", "dog"), [0, 1, 1])


def test_an_image_beside_the_sub_folders_leaves_the_data_unlabelled() -> None:
    assert classes_of(["1.png", "cat/1.png"]) == ((), [-1, -1])


def test_a_folder_that_holds_everything_is_not_a_class_but_its_sub_folders_are() -> None:
    assert classes_of(["pets/cat/1.png", "pets/dog/1.png"]) == (("cat", "dog"), [0, 1])
    assert classes_of(["emoji/1.png", "emoji/2.png"]) == ((), [-1, -1])
    assert classes_of(["a/1.png", "a/b/2.png"]) == ((), [-1, -1])


def picture(path: Path, format: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, format)


def reasons(folder: Path) -> dict[str, int]:
    return {entry.reason: entry.count for entry in list_images(folder).left_out}


def test_images_are_found_by_their_content_and_sorted(tmp_path: Path) -> None:
    for name, format in [("a/b/3.WEBP", "WEBP"), ("a/2", "PNG"), ("z.jpg_large", "JPEG"), ("a/4.txt", "GIF")]:
        picture(tmp_path / name, format)
    assert list_images(tmp_path).names == ["a/2", "a/4.txt", "a/b/3.WEBP", "z.jpg_large"]
    assert reasons(tmp_path) == {}


def test_a_file_named_as_an_image_counts_as_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"broken")
    (tmp_path / "empty.tiff").touch()
    assert list_images(tmp_path).names == ["broken.png", "empty.tiff"]


def test_skipped_files_are_counted_by_reason(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    contents = {
        "a.psd": b"8BPS\0\1" + bytes(40),
        "b": b"\x76\x2f\x31\x01" + bytes(40),
        "c.exr": b"\x76\x2f\x31\x01" + bytes(40),
        "d.eps": b"%!PS-Adobe-3.0",
        "e.svg": b"<?xml version='1.0'?><svg>",
        "readme.md": b"BMW and other cars",
        "labels.csv": b"P5,cat",
        "shard.tar": b"0.png",
        "train.parquet": b"PAR1",
        "empty": b"",
        ".hidden.png": b"",
        ".git/config": b"",
        "__MACOSX/._1.png": b"",
        "@eaDir/SYNOPHOTO_THUMB_M.jpg": b"",
        "lost+found/1.png": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert list_images(tmp_path).names == ["1.png"]
    assert reasons(tmp_path) == {
        "an unsupported format: Photoshop": 1,
        "an unsupported format: OpenEXR": 2,
        "an unsupported format: PostScript": 1,
        "an unsupported format: SVG": 1,
        "another kind of file": 2,
        "a Parquet file, which data.source=parquet reads": 1,
        "a tar archive, which data.source=webdataset reads": 1,
        "empty and not named as an image": 1,
        "hidden": 5,
    }


def test_images_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / f"{number}.png")
    listing = list_images(tmp_path, max_images=3)
    assert listing.names == ["0.png", "1.png", "2.png"]
    [beyond] = listing.left_out
    assert (beyond.reason, beyond.count, beyond.examples) == ("beyond data.max_images=3", 2, ("3.png", "4.png"))


def test_links_inside_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    picture(tmp_path / "real" / "1.png")
    (tmp_path / "a-link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "real" / "2.png").symlink_to(tmp_path / "real" / "1.png")
    assert list_images(tmp_path).names in (["a-link/1.png", "a-link/2.png"], ["real/1.png", "real/2.png"])


def test_links_that_lead_out_and_broken_links_are_skipped(tmp_path: Path) -> None:
    picture(tmp_path / "shown" / "1.png")
    picture(tmp_path / "private" / "2.png")
    (tmp_path / "shown" / "folder").symlink_to(tmp_path / "private")
    (tmp_path / "shown" / "file.png").symlink_to(tmp_path / "private" / "2.png")
    (tmp_path / "shown" / "gone.png").symlink_to(tmp_path / "shown" / "nowhere.png")
    (tmp_path / "shown-too").mkdir()
    (tmp_path / "shown" / "beside.png").symlink_to(tmp_path / "shown-too")
    assert list_images(tmp_path / "shown").names == ["1.png"]
    assert reasons(tmp_path / "shown") == {"a link that leads out of the folder": 3, "a link to nothing": 1}


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    picture(tmp_path / "real" / "1.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list_images(tmp_path / "link").names == ["1.png"]


@pytest.mark.timeout(20)
def test_pipes_sockets_and_devices_are_skipped_without_blocking(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        assert reasons(tmp_path) == {"a pipe, a socket or a device": 2}


@pytest.mark.timeout(20)
def test_a_pipe_that_replaced_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="a pipe, a socket or a device"):
        decode(tmp_path / "pipe.png", Shape(32, 1))
    with pytest.raises(BadImage, match="a pipe, a socket or a device"):
        decode(Path("/dev/zero"), Shape(32, 1))


def test_a_folder_without_images_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there are no image files in .*\.$"):
        list_images(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(DataError, match=r"\(left out: 1 × another kind of file\)"):
        list_images(tmp_path)


@pytest.mark.parametrize("location", ["~nobody-of-that-name/images", "a\0b"])
def test_a_location_that_is_not_a_path_is_one_sentence(location: str) -> None:
    with pytest.raises(DataError, match=r"data\.location="):
        existing_folder(location)


def test_a_name_that_is_not_text_can_be_listed() -> None:
    assert printable("a\udcff.png") == "a\\udcff.png"
