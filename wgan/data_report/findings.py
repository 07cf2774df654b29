"""Which images are copies of others, and which are dark, bright, blank, blurred, tiny, elongated or grey."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wgan.data.copies import FLAT, exact_copies, near_copies
from wgan.data.dataset import PreparedImages
from wgan.data.origins import Origins
from wgan.data_report.measures import Measures
from wgan.data_report.record import Example, Finding

WORST = 20
"""Examples of each finding."""
DARK = 80
BRIGHT = 200
BLURRED = 0.1
"""Sharpness that photographs with a Gaussian blur of two pixels fall below, and 8×8 digits enlarged to 32×32 exceed."""
ELONGATED = 3.0
GREY = 2.0


def find_all(
    measures: Measures, images: PreparedImages, held_out: NDArray[np.bool_], origins: Origins | None
) -> tuple[Finding, ...]:
    """Every finding about `images`, all of the data set; `held_out` (n,) says which of them are."""
    names = origins.names if origins else tuple(f"image {position}" for position in range(images.count))
    return (
        *_copies(measures, images, held_out, names),
        *_exposures(measures, names),
        *(_shapes(origins, images.image_size) if origins else ()),
        *(_grey(measures, names) if images.channels == 3 else ()),
    )


def _copies(
    measures: Measures, images: PreparedImages, held_out: NDArray[np.bool_], names: tuple[str, ...]
) -> Iterator[Finding]:
    exact = exact_copies(measures.hashes.pixels)
    near = near_copies(measures.hashes)
    positions = np.arange(len(exact))
    is_exact = exact != positions
    is_near = (near != positions) & ~is_exact
    yield _pairs("exact_copies", "Exact copies", "The prepared pixels equal another image's.", is_exact, exact, names)
    yield _pairs(
        "near_copies",
        "Near copies",
        "The same picture as another image, encoded, resized or exposed differently.",
        is_near,
        near,
        names,
    )
    across, originals = _across(near, held_out)
    yield _pairs(
        "held_out_copies",
        "Held-out images that are copies of training images",
        "They make memorisation look like learning.",
        across,
        originals,
        names,
        among=int(held_out.sum()),
    )


def _across(originals: NDArray[np.int64], held_out: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which held-out images are copies of a training image or have one as a copy, and that training image."""
    training = np.flatnonzero(~held_out)
    first_in_training = np.full(len(originals), -1, dtype=np.int64)
    first_in_training[originals[training][::-1]] = training[::-1]
    partner = first_in_training[originals]
    return held_out & (partner >= 0), partner


def _exposures(measures: Measures, names: tuple[str, ...]) -> Iterator[Finding]:
    deviations = measures.hashes.deviations
    blank = deviations < FLAT
    brightest, darkest = measures.brightest.astype(np.int64), measures.darkest.astype(np.int64)
    yield _single(
        "dark",
        "Dark",
        f"99 % of the pixels are darker than {DARK} of 255, and it is not blank.",
        (brightest < DARK) & ~blank,
        brightest,
        "brightest {:.0f}",
        names,
    )
    yield _single(
        "bright",
        "Overexposed",
        f"99 % of the pixels are brighter than {BRIGHT} of 255, and it is not blank.",
        (darkest > BRIGHT) & ~blank,
        -darkest,
        "darkest {:.0f}",
        names,
    )
    yield _single(
        "blank",
        "Blank",
        f"The pixels' standard deviation is below {FLAT:g} of 255: there is nothing to see.",
        blank,
        deviations,
        "deviation {:.1f}",
        names,
    )
    yield _single(
        "blurred",
        "Blurred",
        "There are no fine details at the size of the data set, and it is not blank.",
        (measures.sharpness < BLURRED) & ~blank,
        measures.sharpness,
        "sharpness {:.3f}",
        names,
    )


def _shapes(origins: Origins, image_size: int) -> Iterator[Finding]:
    side = np.minimum(origins.widths, origins.heights)
    yield _single(
        "tiny",
        "Tiny",
        f"The shorter side of the file has fewer than {image_size} pixels, so it was enlarged.",
        side < image_size,
        side,
        "{:.0f} pixels",
        origins.names,
    )
    yield _single(
        "elongated",
        "Elongated",
        f"One side is at least {ELONGATED:g} times the other, so most of the picture was cropped away.",
        origins.aspects >= ELONGATED,
        -origins.aspects,
        "{:.1f} : 1",
        origins.names,
    )


def _grey(measures: Measures, names: tuple[str, ...]) -> Iterator[Finding]:
    yield _single(
        "grey",
        "Grey among colour",
        "The three channels are nearly equal, and it is not blank.",
        (measures.colour < GREY) & (measures.hashes.deviations >= FLAT),
        measures.colour,
        "channels differ by {:.1f}",
        names,
    )


def _single(
    name: str,
    title: str,
    meaning: str,
    chosen: NDArray[np.bool_],
    order: NDArray[np.generic],
    detail: str,
    names: tuple[str, ...],
) -> Finding:
    """The chosen images; `order` is least for the worst, and its absolute value is shown."""
    places = np.flatnonzero(chosen)
    worst = places[np.argsort(order[places], kind="stable")][:WORST]
    examples = (
        Example(position=place, name=names[place], detail=detail.format(abs(float(order[place]))))
        for place in worst.tolist()
    )
    return Finding(name=name, title=title, meaning=meaning, count=len(places), among=len(chosen), worst=tuple(examples))


def _pairs(
    name: str,
    title: str,
    meaning: str,
    chosen: NDArray[np.bool_],
    originals: NDArray[np.int64],
    names: tuple[str, ...],
    among: int | None = None,
) -> Finding:
    """The chosen images beside those they are copies of; the pictures with most copies first."""
    places = np.flatnonzero(chosen)
    often = np.bincount(originals[places], minlength=1) if len(places) else np.zeros(1, dtype=np.int64)
    worst = places[np.lexsort((places, originals[places], -often[originals[places]]))][:WORST]
    examples = (
        Example(
            position=place, name=names[place], like=int(originals[place]), detail=f"like {names[int(originals[place])]}"
        )
        for place in worst.tolist()
    )
    return Finding(
        name=name,
        title=title,
        meaning=meaning,
        count=len(places),
        among=len(chosen) if among is None else among,
        worst=tuple(examples),
    )
