"""Parquet files: which column holds the images, which the classes, which files belong to the data set."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.unit.data.shard_writer import hugging_face_file, picture
from wgan.data.source import EncodedImage, ImageFiles
from wgan.data.sources.parquet import parquet_source
from wgan.download.access import Access, RetryPolicy
from wgan.errors import DataError
from wgan.settings import Settings
from wgan.storage import open_storage


@pytest.fixture
def access(tmp_path: Path) -> Access:
    settings = Settings(_env_file=None, home=tmp_path / "home")
    return Access(settings, open_storage(settings), RetryPolicy(), lambda *_: None)


@pytest.fixture
def opened(access: Access, tmp_path: Path):  # type: ignore[no-untyped-def]
    def open_location(location: Path, image: str | None = None, label: str | None = None) -> ImageFiles:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        files = parquet_source(str(location), image, label, access).open(scratch)
        assert isinstance(files, ImageFiles)
        return files

    return open_location


def greys(images: list[EncodedImage]) -> list[int]:
    return [int(np.asarray(Image.open(io.BytesIO(image.content)))[0, 0]) for image in images]  # type: ignore[arg-type]


def rows(numbers: range) -> list[dict[str, object]]:
    return [{"bytes": picture(number), "path": f"{number}.png"} for number in numbers]


def test_images_and_named_classes_are_read_as_hugging_face_writes_them(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for part in range(2):
        numbers = range(20 * part, 20 * part + 20)
        hugging_face_file(
            tmp_path / f"data/train-{part:05}-of-00002.parquet", rows(numbers), (n % 2 for n in numbers), ("cat", "ape")
        )
    files = opened(tmp_path / "data")
    images = list(files.images)
    assert (files.count, files.classes) == (40, ("cat", "ape"))
    assert greys(images) == list(range(40))
    assert [image.label for image in images] == [0, 1] * 20
    assert images[3].name == "3.png"


@pytest.mark.parametrize(
    ("labels", "classes", "found"),
    [
        (pa.array(["dog", "ant", "dog", "bee"]), ("ant", "bee", "dog"), [2, 0, 2, 1]),
        (pa.array(["dog", "ant", "dog", "bee"]).dictionary_encode(), ("ant", "bee", "dog"), [2, 0, 2, 1]),
        (pa.array([10, 9, 9, 2], pa.int32()), ("2", "9", "10"), [2, 1, 1, 0]),
        (pa.array([True, False, True, False]), ("False", "True"), [1, 0, 1, 0]),
        (pa.array(["dog", None, "dog", "bee"]), (), [-1] * 4),
        (pa.array([0.5, 1.5, 2.5, 3.5]), (), [-1] * 4),
    ],
)
def test_a_column_named_label_gives_the_classes(opened, tmp_path: Path, labels, classes, found) -> None:  # type: ignore[no-untyped-def]
    images = pa.array([picture(n) for n in range(4)], pa.large_binary())
    pq.write_table(pa.table({"picture": images, "label": labels}), tmp_path / "a.parquet")
    files = opened(tmp_path / "a.parquet")
    assert files.classes == classes
    assert [image.label for image in files.images] == found


def test_columns_can_be_named_and_classes_refused(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    columns = {
        "front": [picture(1)] * 4,
        "back": [picture(2)] * 4,
        "label": [1, 1, 2, 2],
        "kind": ["a", "b", "a", "b"],
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(
        DataError, match=r"a\.parquet has several columns .* data\.image_column to one of front, back\.$"
    ):
        opened(path)
    files = opened(path, "back", "kind")
    assert greys(list(files.images)) == [2] * 4
    assert files.classes == ("a", "b")
    assert opened(path, "back", "none").classes == ()
    with pytest.raises(DataError, match=r"no column 'label2' of text or whole numbers .* it has front \(binary\)"):
        opened(path, "back", "label2")
    with pytest.raises(DataError, match="no column 'kind' of images"):
        opened(path, "kind")


def test_the_column_that_is_declared_as_images_is_preferred(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = hugging_face_file(tmp_path / "a.parquet", rows(range(3)))
    table = pq.read_table(path)
    pq.write_table(table.append_column("embedding", pa.array([b"1", b"2", b"3"])), path)
    assert greys(list(opened(path).images)) == [0, 1, 2]


def test_a_class_without_a_name_is_refused_and_a_missing_class_leaves_the_data_unlabelled(
    opened, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    path = hugging_face_file(tmp_path / "a.parquet", rows(range(3)), (0, 1, 2), ("cat", "ape"))
    with pytest.raises(DataError, match=r"the column 'digit' has the value '2', and 2 classes are named\."):
        opened(path)
    hidden = hugging_face_file(tmp_path / "b.parquet", rows(range(3)), (-1, -1, -1), ("cat", "ape"))
    assert opened(hidden).classes == ()


def test_values_that_differ_everywhere_are_no_classes(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    count = 10_001
    columns = {"image": pa.array([b"x"] * count), "label": pa.array([f"a caption {n}" for n in range(count)])}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="more than 10,000 different values, so they are no classes"):
        opened(tmp_path / "a.parquet")


def test_a_row_without_an_image_is_one_bad_file(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = [None, {"bytes": None, "path": "elsewhere/1.png"}, {"bytes": picture(2), "path": None}]
    images = list(opened(hugging_face_file(tmp_path / "a.parquet", found)).images)
    assert [image.refused for image in images] == ["its row has no bytes", "its row has no bytes, only a path", None]
    assert [image.name for image in images] == ["a.parquet:0", "elsewhere/1.png", "a.parquet:2"]


def test_only_the_training_split_is_used_where_names_tell_it(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("train-0.parquet", "test-0.parquet", "deep/validation/0.parquet", "deep/train/0.parquet"):
        hugging_face_file(tmp_path / "data" / name, rows(range(2)))
    (tmp_path / "data" / "README.md").write_text("hello")
    files = opened(tmp_path / "data")
    assert files.count == 4
    assert {(entry.reason, entry.count) for entry in files.left_out} == {
        ("of another split than train", 2),
        ("another kind of file", 1),
    }
    assert opened(tmp_path / "data" / "deep" / "validation").count == 2


def test_parquet_files_in_an_archive_are_read(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    hugging_face_file(tmp_path / "a.parquet", rows(range(5)))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a.parquet", "data/train.parquet")
    assert greys(list(opened(tmp_path / "all.zip").images)) == list(range(5))


def test_files_that_differ_in_their_columns_are_refused(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    hugging_face_file(tmp_path / "data/a.parquet", rows(range(2)), (0, 1), ("cat", "ape"))
    hugging_face_file(tmp_path / "data/b.parquet", rows(range(2)), (0, 1), ("ape", "cat"))
    with pytest.raises(DataError, match=r"^b\.parquet has other columns or classes than a\.parquet"):
        opened(tmp_path / "data")


def test_a_truncated_or_altered_file_is_one_sentence(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    content = hugging_face_file(tmp_path / "a.parquet", rows(range(40))).read_bytes()
    for share in (0.0, 0.3, 0.9):
        (tmp_path / "a.parquet").write_bytes(content[:8] + content[8 : int(share * len(content))])
        with pytest.raises(DataError, match=r"^a\.parquet cannot be read as a Parquet file \([^\n]*\)\.$"):
            list(opened(tmp_path / "a.parquet").images)
    for position in range(100, len(content), 97):
        altered = bytearray(content)
        altered[position] ^= 0xFF
        (tmp_path / "a.parquet").write_bytes(altered)
        try:
            list(opened(tmp_path / "a.parquet").images)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_pointer_of_git_lfs_is_named(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "set").mkdir()
    (tmp_path / "set/a.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DataError, match=r"^a\.parquet cannot be read as a Parquet file \(it is a Git LFS pointer"):
        opened(tmp_path / "set")


def test_floats_without_a_range_are_measured_first(opened, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    floats = b"Pf\n1 1\n-1.0\n" + np.float32(300).tobytes()
    found = [{"bytes": floats, "path": None}, {"bytes": picture(1), "path": None}]
    files = opened(hugging_face_file(tmp_path / "a.parquet", found))
    assert [image.content for image in files.without_range] == [floats]


def test_the_digest_follows_the_content_and_the_columns(access: Access, tmp_path: Path) -> None:
    path = hugging_face_file(tmp_path / "a.parquet", rows(range(3)))
    digests = {
        parquet_source(str(path), image, label, access).digest for image in (None, "image") for label in (None, "none")
    }
    assert len(digests) == 4
    first = parquet_source(str(path), None, None, access).digest
    assert first in digests
    hugging_face_file(path, rows(range(4)))
    assert parquet_source(str(path), None, None, access).digest != first
