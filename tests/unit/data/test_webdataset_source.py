"""WebDataset shards: which files make a sample, which is its image, which its class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.data.shard_writer import picture, shard
from wgan.data.source import ImageFiles
from wgan.data.sources.webdataset import webdataset_source
from wgan.download.access import Access, RetryPolicy
from wgan.errors import DataError
from wgan.settings import Settings
from wgan.storage import open_storage


@pytest.fixture
def opened(tmp_path: Path):  # type: ignore[no-untyped-def]
    settings = Settings(_env_file=None, home=tmp_path / "home")
    access = Access(settings, open_storage(settings), RetryPolicy(), lambda *_: None)

    def open_location(location: Path, label: str | None = None) -> ImageFiles:
        files = webdataset_source(str(location), label, access).open(tmp_path)
        assert isinstance(files, ImageFiles)
        return files

    return open_location


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_images_and_classes_of_all_shards_are_read_in_order(opened, tmp_path: Path, ending: str) -> None:  # type: ignore[no-untyped-def]
    for part in range(2):
        members = []
        for number in range(3 * part, 3 * part + 3):
            members += [(f"{number:04}.cls", b"%d\n" % (number + 8)), (f"{number:04}.png", picture(number))]
        shard(tmp_path / f"set/train-{part:06}{ending}", members, f"w:{ending[5:]}")
    files = opened(tmp_path / "set")
    images = list(files.images)
    assert files.count == 6
    assert files.classes == ("8", "9", "10", "11", "12", "13")
    assert [image.content for image in images] == [picture(number) for number in range(6)]
    assert [image.label for image in images] == list(range(6))


def test_every_kind_of_image_is_read_and_text_may_be_the_class(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    members = [
        ("./a/0.jpg", picture(0, "JPEG")),
        ("./a/0.cls", b"dog"),
        ("./b.c/1.webp", picture(1, "WEBP")),
        ("./b.c/1.cls", b"ant"),
        ("2.PNG", picture(2)),
        ("2.cls", b"dog"),
    ]
    files = opened(shard(tmp_path / "a.tar", members))
    assert files.classes == ("ant", "dog")
    assert [(image.name, image.label) for image in files.images] == [
        ("./a/0.jpg", 1),
        ("./b.c/1.webp", 0),
        ("2.PNG", 1),
    ]


def test_a_key_of_the_description_is_the_class(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    members = []
    for number in range(4):
        described = {"label": number % 2, "species": "cat" if number < 3 else "ape", "caption": f"picture {number}"}
        members += [(f"{number}.json", json.dumps(described).encode()), (f"{number}.png", picture(number))]
    path = shard(tmp_path / "a.tar", members)
    assert opened(path).classes == ("0", "1")
    named = opened(path, "species")
    assert named.classes == ("ape", "cat")
    assert [image.label for image in named.images] == [1, 1, 1, 0]
    assert opened(path, "none").classes == ()
    assert opened(path, "absent").classes == ()


def test_one_image_of_a_sample_is_used_and_the_rest_is_counted(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    members = [
        ("0.mask.png", picture(99)),
        ("0.png", picture(0)),
        ("0.jpg", picture(98, "JPEG")),
        ("0.txt", b"a caption"),
        ("1.txt", b"a caption of nothing"),
        ("._2.png", b"of macOS"),
        ("README", b"hello"),
        ("3.png", picture(3)),
    ]
    files = opened(shard(tmp_path / "a.tar", members))
    assert [image.content for image in files.images] == [picture(0), picture(3)]
    assert {(entry.reason, entry.count) for entry in files.left_out} == {
        ("a further image of a sample", 2),
        ("a sample without an image", 1),
        ("hidden", 1),
        ("not the file of a sample", 1),
    }


def test_other_splits_and_other_files_are_left_out(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("imagenet-train-000000.tar", "imagenet-val-000000.tar"):
        shard(tmp_path / "set" / name, [("0.png", picture(0))])
    (tmp_path / "set" / "index.json").write_text("{}")
    files = opened(tmp_path / "set")
    assert files.count == 1
    assert {entry.reason for entry in files.left_out} == {"of another split than train", "another kind of file"}


@pytest.mark.parametrize("left", [0.2, 0.7, 0.95])
def test_a_truncated_shard_is_one_sentence_that_names_it(opened, tmp_path: Path, left: float) -> None:  # type: ignore[no-untyped-def]
    path = shard(tmp_path / "set/a.tar", ((f"{number}.png", picture(number)) for number in range(40)))
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(DataError, match=r"^a\.tar is damaged or incomplete: [^\n]*\.$"):
        opened(tmp_path / "set")


def test_what_is_no_tar_and_what_holds_no_image_is_refused(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.tar").write_bytes(b"hello" * 200)
    with pytest.raises(DataError, match=r"a\.tar is neither a zip nor a tar archive"):
        opened(tmp_path / "a.tar")
    with pytest.raises(DataError, match=r"there are no image files in .*b\.tar \(left out: 1 × a sample without"):
        opened(shard(tmp_path / "b.tar", [("0.txt", b"hello")]))
    with pytest.raises(DataError, match=r"0\.json' of a sample is not JSON"):
        opened(shard(tmp_path / "c.tar", [("0.json", b"{"), ("0.png", picture(0))]))


def test_floats_without_a_range_are_measured_first(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    floats = b"Pf\n1 1\n-1.0\n" + np.float32(300).tobytes()
    files = opened(shard(tmp_path / "a.tar", [("0.png", picture(0)), ("1.pfm", floats)]))
    assert [image.content for image in files.without_range] == [floats]
