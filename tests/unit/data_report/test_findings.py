"""What the report finds in a data set: each kind of image is counted, and the worst are named."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tests.unit.data.photographs import photograph
from tests.unit.data_report.example_data import data_set, measured, origins_of, report_of
from wgan.data.images import Shape, shaped
from wgan.data_report.make import shared_images
from wgan.data_report.record import DataReport

COUNT = 12


@pytest.fixture(scope="module")
def photographs() -> NDArray[np.uint8]:
    """Twelve, uint8 (12, 3, 64, 64)."""
    return np.stack([shaped(np.asarray(photograph(seed)), Shape(64, 3)) for seed in range(COUNT)])


def counts(report: DataReport) -> dict[str, int]:
    return {finding.name: finding.count for finding in report.findings if finding.count}


def blurred(image: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    picture = Image.fromarray(image.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture).transpose(2, 0, 1)


def test_nothing_is_found_in_photographs(photographs: NDArray[np.uint8]) -> None:
    assert counts(report_of(photographs, origins_of([(160, 120)] * COUNT))) == {}


def test_dark_and_overexposed_images_are_counted_and_the_worst_come_first(photographs: NDArray[np.uint8]) -> None:
    images = photographs.copy()
    images[3] = images[3] // 4
    images[5] = images[5] // 6
    images[7] = 210 + images[7] // 6
    report = report_of(images)
    assert counts(report) == {"dark": 2, "bright": 1}
    assert [example.position for example in report.finding("dark").worst] == [5, 3]
    assert report.finding("bright").worst[0].name == "image 7"


def test_a_blank_image_counts_as_blank_only(photographs: NDArray[np.uint8]) -> None:
    images = photographs.copy()
    images[0], images[1] = 0, 255
    assert counts(report_of(images)) == {"blank": 2}


def test_blurred_images_are_counted(photographs: NDArray[np.uint8]) -> None:
    images = photographs.copy()
    images[2] = blurred(images[2], 3)
    report = report_of(images)
    assert counts(report) == {"blurred": 1}
    assert report.finding("blurred").worst[0].position == 2


def test_grey_images_count_among_colour_only(photographs: NDArray[np.uint8]) -> None:
    images = photographs.copy()
    images[4] = images[4, :1]
    assert counts(report_of(images)) == {"grey": 1}
    assert counts(report_of(images[:, :1])) == {}


def test_tiny_and_elongated_files_are_counted_by_their_own_sizes(photographs: NDArray[np.uint8]) -> None:
    sizes = [(160, 120)] * COUNT
    sizes[1], sizes[2], sizes[3] = (63, 64), (300, 100), (100, 299)
    report = report_of(photographs, origins_of(sizes))
    assert counts(report) == {"tiny": 1, "elongated": 1}
    assert report.finding("tiny").worst[0].name == "1.png"
    assert report.finding("elongated").worst[0].detail == "3.0 : 1"


def test_sizes_formats_and_the_share_cropped_away_are_those_of_the_files(photographs: NDArray[np.uint8]) -> None:
    """A file of 160×120 loses a quarter of its area, a square one nothing."""
    files = report_of(photographs[:4], origins_of([(160, 120)] * 2 + [(100, 100)] * 2)).files
    assert files is not None
    assert files.formats == {"PNG": 4}
    assert (files.widths.least, files.widths.median, files.widths.greatest) == (100, 130, 160)
    assert files.cropped == pytest.approx(0.125)


def test_exact_and_near_copies_are_counted_apart(photographs: NDArray[np.uint8]) -> None:
    darker = photographs[:3] // 4 * 3
    report = report_of(np.concatenate([photographs, photographs[:2], darker]))
    assert counts(report) == {"exact_copies": 2, "near_copies": 3}
    assert [(example.position, example.like) for example in report.finding("near_copies").worst] == [
        (COUNT + 2, 0),
        (COUNT + 3, 1),
        (COUNT + 4, 2),
    ]


def test_a_held_out_image_that_is_a_copy_of_a_training_image_is_counted(photographs: NDArray[np.uint8]) -> None:
    """Whichever of the two comes first."""
    images = np.concatenate([photographs, photographs[:1] // 4 * 3, photographs[1:2]])
    report = report_of(images, held_out=(1, 2, COUNT))
    held_out = report.finding("held_out_copies")
    assert (held_out.count, held_out.among) == (2, 3)
    assert {(example.position, example.like) for example in held_out.worst} == {(1, COUNT + 1), (COUNT, 0)}


def test_copies_within_the_held_out_images_do_not_count(photographs: NDArray[np.uint8]) -> None:
    report = report_of(np.concatenate([photographs, photographs[:1]]), held_out=(0, COUNT))
    assert report.finding("held_out_copies").count == 0


def test_classes_are_counted_on_both_sides(photographs: NDArray[np.uint8]) -> None:
    labels = np.array([0] * 8 + [1] * 3 + [-1], dtype=np.int64)
    report = report_of(photographs, held_out=(0, 8), labels=labels, classes=("cats", "dogs", "owls"))
    assert [(entry.name, entry.training, entry.held_out) for entry in report.classes] == [
        ("cats", 7, 1),
        ("dogs", 2, 1),
        ("owls", 0, 0),
    ]


def test_new_shared_and_missing_images_are_counted_against_another_data_set(photographs: NDArray[np.uint8]) -> None:
    old, new = (measured(data_set(images)).measures.hashes.pixels for images in (photographs[:8], photographs[3:]))
    shared = shared_images(new, "c" * 64, old)
    assert (shared.digest, shared.shared, shared.new, shared.gone) == ("c" * 64, 5, 4, 3)
