"""TIFF: interprets samples by their declared depth, photometric interpretation, alpha and profile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.data import tiff_tags as t
from wgan.data.picture import ANIMATION, MULTIPLIED, NO_RANGE, BadImage, Picture
from wgan.data.sample_range import Extent, SampleRange, Scale, extent_of, range_in
from wgan.data.tiff_samples import (
    FLOATING,
    READ_COMPRESSIONS,
    SIGNED,
    Layout,
    chunk_bytes,
    layout_of,
    read_samples,
)
from wgan.data.tiff_tags import Tags, read_tags

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
ASSOCIATED, UNASSOCIATED = 1, 2
COMPRESSIONS = {
    22610: "JPEG XR", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34933: "PNG",
    34934: "JPEG XR", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
"""Names of compressions that Pillow may not support."""


def read_tiff(content: bytes, scale: Scale | None, max_pixels: int) -> Picture | None:
    """The first image of a TIFF file; None if the compression needs its own decoder (JPEG, fax, …).

    `scale` gives the range of samples that declare none; without it, the file's own extent is used. Raises `BadImage`.
    """
    tags = read_tags(content)
    if tags.one(t.WIDTH, 0) * tags.one(t.LENGTH, 0) > max_pixels:
        raise BadImage(f"{tags.one(t.WIDTH)}×{tags.one(t.LENGTH)} pixels, more than {max_pixels:,}")
    if tags.one(t.COMPRESSION, 1) not in READ_COMPRESSIONS:
        return None
    layout, photometric = layout_of(tags), _photometric(tags)
    samples = _ycbcr(content, tags, layout) if photometric == YCBCR else read_samples(content, tags, layout)
    return _picture(samples, tags, layout, photometric, scale)


def unread_compression(content: bytes) -> str:
    """The reason for a TIFF file that Pillow cannot open."""
    compression = read_tags(content).one(t.COMPRESSION, 1)
    return f"a TIFF of the compression {COMPRESSIONS.get(compression, compression)}, which is not read"


def extent_of_tiff(content: bytes, max_pixels: int) -> Extent | None:
    """The extent of the colours of a TIFF without a declared range; None if it declares one."""
    tags = read_tags(content)
    if tags.one(t.WIDTH, 0) * tags.one(t.LENGTH, 0) > max_pixels or tags.one(t.COMPRESSION, 1) not in READ_COMPRESSIONS:
        return None
    layout = layout_of(tags)
    if layout.kind not in (SIGNED, FLOATING) or _declared(tags):
        return None
    samples = read_samples(content, tags, layout)[..., : COLOURS[_photometric(tags)]]
    return _extent(samples)


def _photometric(tags: Tags) -> int:
    photometric = int(tags.one(t.PHOTOMETRIC, BLACK_IS_ZERO))
    if photometric not in COLOURS:
        raise BadImage(f"TIFF photometric interpretation {photometric} is not read")
    if photometric == CMYK and tags.one(t.INK_SET, 1) != 1:
        raise BadImage("TIFF inks other than cyan, magenta, yellow and black are not read")
    return photometric


def _picture(
    samples: NDArray[np.generic], tags: Tags, layout: Layout, photometric: int, scale: Scale | None
) -> Picture:
    count = COLOURS[photometric]
    if samples.shape[2] < count:
        raise BadImage(f"{samples.shape[2]} samples a pixel, where its kind of colour has {count}")
    remarks = [ANIMATION] if tags.more_pages else []
    colours, alpha, kind = samples[..., :count], None, 0
    if (found := _alpha(tags, samples.shape[2], count)) is not None:
        position, kind = found
        alpha = _bytes(_alpha_shares(samples[..., position], layout))
    if photometric == PALETTE:
        image = _from_palette(colours[..., 0], tags, layout)
    else:
        if layout.kind in (SIGNED, FLOATING) and not _declared(tags):
            remarks.append(NO_RANGE)
        image = _image(colours, tags, layout, photometric, scale)
    multiplied = kind == ASSOCIATED
    if alpha is not None and not multiplied and image.mode == "RGB" and _looks_multiplied(image, alpha):
        multiplied = True
        remarks.append(MULTIPLIED)
    return Picture(
        image,
        alpha=None if alpha is None else Image.fromarray(alpha),
        multiplied=multiplied,
        profile=bytes(tags.values[t.ICC_PROFILE]) if tags.values.get(t.ICC_PROFILE) else None,
        orientation=tags.one(t.ORIENTATION, 1),
        remarks=tuple(remarks),
    )


def _image(
    colours: NDArray[np.generic], tags: Tags, layout: Layout, photometric: int, scale: Scale | None
) -> Image.Image:
    if photometric in (CIELAB, ICCLAB):
        return _lab(colours, layout, photometric)
    if layout.kind in (SIGNED, FLOATING):
        chosen = _declared(tags) or range_in(scale, _extent(colours))
        if not np.isfinite(colours).all():
            raise BadImage("pixel values that are not finite")
        values = _bytes(chosen.shares(colours))
    elif layout.bits == 8:
        values = colours.astype(np.uint8)
    else:
        values = _bytes(colours.astype(np.float64) / (2.0**layout.bits - 1))
    if photometric == WHITE_IS_ZERO:
        values = 255 - values
    if values.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(values[..., 0]))
    return Image.fromarray(np.ascontiguousarray(values), "CMYK" if photometric == CMYK else "RGB")


def _alpha(tags: Tags, samples: int, count: int) -> tuple[int, int] | None:
    """Index and kind of the alpha sample; a single undeclared extra sample is taken for alpha."""
    extras = tags.all(t.EXTRA_SAMPLES, (UNASSOCIATED,) if samples == count + 1 else ())
    for position, kind in enumerate(extras, start=count):
        if kind in (ASSOCIATED, UNASSOCIATED) and position < samples:
            return position, kind
    return None


def _alpha_shares(alpha: NDArray[np.generic], layout: Layout) -> NDArray[Any]:
    if layout.kind == FLOATING:
        return np.nan_to_num(alpha.astype(np.float64), nan=1.0)
    bits = layout.bits - 1 if layout.kind == SIGNED else layout.bits
    return alpha.astype(np.float64) / (2.0**bits - 1)


def _looks_multiplied(image: Image.Image, alpha: NDArray[np.uint8]) -> bool:
    """Whether no colour is brighter than its alpha, in an image where unmultiplied colours would be.

    Some writers multiply alpha into the colours and declare the opposite. For dark images it is unknown, and harmless.
    """
    brightest = np.asarray(image).max(axis=2)
    partly = (alpha > 0) & (alpha < 255)
    if partly.mean() < 0.01 or (brightest > alpha).any():
        return False
    return bool((brightest[partly] > alpha[partly] // 2).mean() > 0.1) and len(np.unique(alpha[partly])) > 2


def _declared(tags: Tags) -> SampleRange | None:
    """The range that SMinSampleValue and SMaxSampleValue declare."""
    low, high = tags.one(t.SMALLEST), tags.one(t.LARGEST)
    if low is None or high is None or not (np.isfinite(low) and np.isfinite(high) and low < high):
        return None
    return SampleRange(float(low), float(high))


def _extent(samples: NDArray[np.generic]) -> Extent:
    try:
        return extent_of(samples)
    except ValueError as error:
        raise BadImage(str(error)) from None


def _from_palette(indices: NDArray[np.generic], tags: Tags, layout: Layout) -> Image.Image:
    table = np.array(tags.all(t.COLOR_MAP), dtype=np.float64)
    if layout.bits > 16 or len(table) != 3 * 2**layout.bits:
        raise BadImage("its colour map is missing or damaged")
    # 16 bits per entry; some writers use only 8.
    colours = _bytes(table.reshape(3, -1).T / (65535 if table.max() > 255 else 255))
    return Image.fromarray(colours[indices.astype(np.int64)])


def _lab(colours: NDArray[np.generic], layout: Layout, photometric: int) -> Image.Image:
    """As Pillow's "LAB": all three of 8 bits, a and b offset by 128."""
    if layout.kind == FLOATING or layout.bits not in (8, 16):
        raise BadImage(f"CIELab of {layout.bits} bits is not read")
    shares = colours.astype(np.float64) / (2**layout.bits - 1)
    if photometric == CIELAB:  # a and b are two's complement
        half = 2 ** (layout.bits - 1)
        unsigned = colours.astype(np.int64) % (2 * half)
        signed = np.where(unsigned >= half, unsigned - 2 * half, unsigned)
        shares[..., 0] = unsigned[..., 0] / (2 * half - 1)
        shares[..., 1:] = (signed[..., 1:] / (half / 128) + 128) / 255
    return Image.fromarray(_bytes(shares), "LAB")


def _ycbcr(content: bytes, tags: Tags, layout: Layout) -> NDArray[np.generic]:
    """RGB from 8-bit YCbCr, whose chroma may be subsampled."""
    across, down = tags.all(t.YCBCR_SUBSAMPLING, (2, 2))[:2]
    if layout.bits != 8 or layout.samples != 3 or layout.planar or across not in (1, 2, 4) or down not in (1, 2, 4):
        raise BadImage("this form of YCbCr TIFF is not read")
    units = -(-layout.chunk_width // across)
    unit_bytes = across * down + 2
    planes = np.zeros((layout.height, layout.width, 3), dtype=np.float64)
    for number, _, top, left in layout.chunks():
        rows = min(layout.chunk_height, layout.height - top)
        lines = -(-(layout.chunk_height if t.TILE_OFFSETS in tags.values else rows) // down)
        data = chunk_bytes(content, tags, layout, number, lines, units * unit_bytes)
        unit = np.frombuffer(data, dtype=np.uint8).reshape(lines, units, unit_bytes)
        light = unit[..., :-2].reshape(lines, units, down, across).transpose(0, 2, 1, 3).reshape(lines * down, -1)
        chroma = unit[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
        chunk = np.concatenate([light[..., np.newaxis], chroma], axis=2)
        width = min(layout.chunk_width, layout.width - left)
        planes[top : top + rows, left : left + width] = chunk[:rows, :width]
    return _rgb_of_ycbcr(planes, tags)


def _rgb_of_ycbcr(planes: NDArray[np.float64], tags: Tags) -> NDArray[np.generic]:
    red, green, blue = (float(c) for c in tags.all(t.YCBCR_COEFFICIENTS, (0.299, 0.587, 0.114)))
    reference = np.array(tags.all(t.REFERENCE_BLACK_WHITE, (0, 255, 128, 255, 128, 255)), dtype=np.float64)
    black, white = reference[::2], reference[1::2]
    if green <= 0 or len(reference) != 6 or (white <= black).any():
        raise BadImage("its TIFF directory is damaged")
    light, cb, cr = np.moveaxis((planes - black) / (white - black) * np.array([255, 127, 127]), 2, 0)
    r, b = light + cr * (2 - 2 * red), light + cb * (2 - 2 * blue)
    g = (light - blue * b - red * r) / green
    return _bytes(np.stack([r, g, b], axis=2) / 255)


def _bytes(shares: NDArray[Any]) -> NDArray[np.uint8]:
    result: NDArray[np.uint8] = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return result
