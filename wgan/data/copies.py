"""Finds copies among prepared images: exact ones by their pixels, near ones by a perceptual hash.

A near copy is the same picture, encoded, resized or exposed differently. Candidates are pairs whose perceptual hashes
(pHash: the signs of an image's low frequencies, 64 bits) differ in at most `MOST_BITS` bits; they are near copies if
their grey, averaged over 16×16 patches, also correlates by `LEAST_CORRELATION`, whatever its mean and contrast.

The candidates are found without comparing every pair (Manku, Jain and Sarma, "Detecting Near-Duplicates for Web
Crawling", WWW 2007): of ten blocks of bits, at most eight can differ, so two are equal. For each of the 45 pairs of
blocks, the hashes are sorted with these blocks in front, and each is compared with the next ones that start alike, at
most `MOST_ALIKE`. That takes n log n steps and the memory of one sorted table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wgan.data.pixel_hashes import pixel_hash

MOST_BITS = 8
LEAST_CORRELATION = 0.98
COMPARED_SIZE = 16
"""Images are averaged down to this height and width before their pixels are compared."""
MOST_ALIKE = 64
"""Hashes that each one is compared with per table, so that many similar drawings take no longer than photographs."""
FLAT = 4.0
"""Standard deviation of an image's pixels, in grey levels, below which it shows nothing and its hash is noise."""
BLOCKS = 10
LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601."""
PAIRS_AT_ONCE = 4096


@dataclass(frozen=True)
class Hashes:
    """What copies among n images are found by."""

    pixels: NDArray[np.uint64]
    """The first 64 bits of the SHA-256 of each image's pixels: equal for exact copies; (n,)."""
    perceptual: NDArray[np.uint64]
    """pHash of each image; (n,)."""
    deviations: NDArray[np.float32]
    """Standard deviation of each image's grey levels; (n,)."""
    thumbnails: NDArray[np.uint8]
    """The grey of 16×16 patches of each image; (n, 256)."""


_NONE = Hashes(
    np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.float32), np.empty((0, COMPARED_SIZE**2), np.uint8)
)


def hash_images(images: NDArray[np.uint8]) -> Hashes:
    """The hashes of images (n, C, H, W), n at least 1."""
    count, size, patch = len(images), COMPARED_SIZE, images.shape[-1] // COMPARED_SIZE
    grey = grey_levels(images)
    patches = grey.reshape(count, size, patch, size, patch).mean(axis=(2, 4))
    return Hashes(
        np.array([pixel_hash(image) for image in images], dtype=np.uint64),
        np.array([_perceptual_hash(image) for image in images], dtype=np.uint64),
        grey.std(axis=(1, 2)),
        np.rint(patches).astype(np.uint8).reshape(count, -1),
    )


def grey_levels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The brightness of images (n, C, H, W), C 1 or 3, by ITU-R 601; float32 (n, H, W)."""
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float32)
    levels: NDArray[np.float32] = np.einsum("nchw,c->nhw", images, np.array(LUMA, dtype=np.float32))
    return levels


def joined(parts: Iterable[Hashes]) -> Hashes:
    """The hashes of several batches, in order. The thumbnails are mapped from a temporary file, not in memory."""
    pixels, perceptual, deviations = [], [], []
    with tempfile.TemporaryFile() as file:
        for part in parts:
            pixels.append(part.pixels)
            perceptual.append(part.perceptual)
            deviations.append(part.deviations)
            file.write(part.thumbnails.tobytes())
        if not pixels:
            return _NONE
        file.flush()
        thumbnails = np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, COMPARED_SIZE**2)
    return Hashes(np.concatenate(pixels), np.concatenate(perceptual), np.concatenate(deviations), thumbnails)


def _perceptual_hash(image: NDArray[np.uint8]) -> int:
    picture = Image.fromarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0))
    return int.from_bytes(np.packbits(imagehash.phash(picture).hash).tobytes())


def exact_copies(pixel_hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each image the position of the first one with the same pixels, its own if it is the first; int64 (n,)."""
    _, first, group = np.unique(pixel_hashes, return_index=True, return_inverse=True)
    originals: NDArray[np.int64] = first[group].astype(np.int64)
    return originals


def near_copies(hashes: Hashes) -> NDArray[np.int64]:
    """For each image the position of an earlier one that it is an exact or near copy of, its own if of none; (n,).

    The position is that of an image which is a copy of none itself, so that leaving out every copy leaves each picture
    once.
    """
    originals = exact_copies(hashes.pixels)
    rows = np.flatnonzero((originals == np.arange(len(originals))) & (hashes.deviations >= FLAT))
    pairs = [
        confirmed
        for first, second in _candidates(hashes.perceptual[rows])
        if len(confirmed := _confirmed(np.stack([rows[first], rows[second]], axis=1), hashes))
    ]
    if pairs:
        found = np.concatenate(pairs)
        for earlier, later in found[np.lexsort((found[:, 0], found[:, 1]))].tolist():
            if originals[earlier] == earlier and originals[later] == later:
                originals[later] = earlier
    resolved: NDArray[np.int64] = originals[originals]  # exact copies of a near copy
    return resolved


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of positions, the smaller first, whose hashes differ in at most `MOST_BITS`; every pair once."""
    masks = _block_masks()
    tables = [masks[one] | masks[other] for one, other in combinations(range(BLOCKS), 2)]
    for table, mask in enumerate(tables):
        order = np.lexsort((hashes, hashes & mask))
        in_order = hashes[order]
        start = in_order & mask
        for step in range(1, min(MOST_ALIKE, len(order) - 1) + 1):
            alike = start[step:] == start[:-step]
            if not alike.any():
                break
            differing = in_order[step:] ^ in_order[:-step]
            places = np.flatnonzero(alike & (np.bitwise_count(differing) <= MOST_BITS))
            places = places[~_found_before(differing[places], tables[:table])]
            first, second = order[places], order[places + step]
            yield np.minimum(first, second), np.maximum(first, second)


def _block_masks() -> list[np.uint64]:
    """The bits of each block, as nearly equal in number as 64 allows."""
    ends = [64 * block // BLOCKS for block in range(BLOCKS + 1)]
    return [np.uint64((1 << end) - (1 << start)) for start, end in pairwise(ends)]


def _found_before(differing: NDArray[np.uint64], tables: list[np.uint64]) -> NDArray[np.bool_]:
    """Whether hashes that differ in these bits start alike in one of the tables."""
    found = np.zeros(len(differing), dtype=np.bool_)
    for mask in tables:
        found |= (differing & mask) == 0
    return found


def _confirmed(pairs: NDArray[np.int64], hashes: Hashes) -> NDArray[np.int64]:
    """Those of the pairs (n, 2) whose thumbnails correlate enough."""
    kept = []
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[start : start + PAIRS_AT_ONCE]
        one, other = (_standardised(hashes.thumbnails[some[:, side]]) for side in (0, 1))
        kept.append(some[np.einsum("np,np->n", one, other) >= LEAST_CORRELATION])
    return np.concatenate(kept) if kept else pairs


def _standardised(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Vectors of mean 0 and length 1, whose product is Pearson's correlation."""
    vectors = thumbnails.astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors
