"""Decode the files of a source on the workers of a Ray cluster, which write the shards: the bytes of one machine.

A worker decodes a range of the source and keeps the pixels. This process gets everything else, in order, so it knows
which ranges hold the images of a shard. A worker joins those and writes the shard to S3 in one request: a lost worker
leaves nothing half-written. Ray repeats what was lost with it.
"""

from __future__ import annotations

import hashlib
import io
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from wgan.data.decoded import Decoded, decode_chunk, measure_chunk, with_content
from wgan.data.gathered import Gathered
from wgan.data.held_out import held_out_positions
from wgan.data.images import Shape
from wgan.data.manifest import Shard
from wgan.data.sample_range import Extent, Scale, scale_of
from wgan.data.shards import Cut, cut_into_shards, images_per_shard
from wgan.data.source import Divisible, EncodedImage, ImageFiles, Range
from wgan.download.access import Access
from wgan.scale.cluster import connected_to_ray
from wgan.scale.tasks import Task, answers, processors_of_the_cluster, start
from wgan.settings import Settings
from wgan.storage import Storage, open_storage

FILES = 256
"""Images in a range."""
BYTES = 16 * 2**20
"""A range that is sent to its worker ends with the file that makes it this large."""
AHEAD = 3
"""Ranges in progress or done early for each processor."""
SHARDS_AHEAD = 4


@dataclass(frozen=True)
class CarriedRange:
    """Some consecutive images with their bytes: only this machine has their files."""

    images: tuple[EncodedImage, ...]

    @property
    def files(self) -> str:
        """The names of the first and the last."""
        return f"{self.images[0].name} to {self.images[-1].name}"

    def read(self, storage: Storage) -> tuple[EncodedImage, ...]:
        """The images, in order."""
        return self.images


def write_shards_on_workers(
    files: ImageFiles, shape: Shape, limit: int, fraction: float, prefix: str, gathered: Gathered, access: Access
) -> tuple[Shard, ...]:
    """Decode the first `limit` files and write their shards below `prefix`; everything else goes to `gathered`.

    `fraction` of the images are held out. Raises what `connected_to_ray` and the sources raise; `TaskLost` if workers
    are lost repeatedly at the same files; `WganError` if the cluster has no processor for WGAN_RAY_WAIT_SECONDS.
    """
    settings = access.settings
    with connected_to_ray(settings, 0, 0):
        wait = settings.ray_wait_seconds
        ahead = AHEAD * processors_of_the_cluster(wait)
        measuring = (
            start(part.files, measure_range, part, settings) for part in _ranges(files.without_range, files.count)
        )
        scale = scale_of(extents for extents, _ in answers(measuring, ahead, wait))

        def blocks() -> Iterator[tuple[object, int]]:
            decoding = (
                start(part.files, decode_range, part, shape, scale, fraction, settings, keeps=True)
                for part in _ranges(files.images, limit)
            )
            for (run, held_out), kept in answers(decoding, ahead, wait):
                gathered.add(run, held_out)
                access.progress("decode", gathered.files, limit)
                yield kept, len(run.labels)

        cuts = cut_into_shards(blocks(), images_per_shard(shape))
        writing = (_started_write(number, cut, prefix, settings) for number, cut in enumerate(cuts))
        return tuple(shard for shard, _ in answers(writing, SHARDS_AHEAD, wait))


def measure_range(images: Range, settings: Settings) -> dict[int, Extent]:
    """On a worker: the extents of the samples without a declared range."""
    return measure_chunk(images.read(_storage(settings)))


def decode_range(
    images: Range, shape: Shape, scale: Scale, fraction: float, settings: Settings
) -> tuple[tuple[Decoded, array[int]], NDArray[np.uint8]]:
    """On a worker: what a range yields without its pixels, the held-out rows among the good images, and the pixels."""
    decoded = decode_chunk(shape, scale, images.read(_storage(settings)))
    held_out = held_out_positions(decoded.pixels, fraction, start=0)
    return (replace(decoded, pixels=decoded.pixels[:0]), held_out), decoded.pixels


def write_shard(key: str, skip: int, count: int, settings: Settings, *blocks: NDArray[np.uint8]) -> Shard:
    """On a worker: join `count` images of these blocks, without the first `skip`, and write them to S3."""
    pixels = np.concatenate([blocks[0][skip:], *blocks[1:]])[:count]
    file = io.BytesIO()
    np.save(file, pixels)
    content = file.getvalue()
    _storage(settings).put_bytes(key, content)
    return Shard(key=key, sha256=hashlib.sha256(content).hexdigest(), count=count)


def _started_write(number: int, cut: Cut[object], prefix: str, settings: Settings) -> Task:
    key = f"{prefix}images-{number:05d}.npy"
    return start(key, write_shard, key, cut.skip, cut.count, settings, *cut.blocks)


def _ranges(images: Iterable[EncodedImage], limit: int) -> Iterator[Range]:
    """The first `limit` images in ranges; what no other machine can fetch is read here."""
    if isinstance(images, Divisible):
        yield from images.ranges(limit, FILES)
        return
    waiting: list[EncodedImage] = []
    size = 0
    for image in islice(images, limit):
        carried = with_content(image)
        waiting.append(carried)
        size += len(carried.content) if isinstance(carried.content, bytes) else 0
        if len(waiting) == FILES or size >= BYTES:
            yield CarriedRange(tuple(waiting))
            waiting, size = [], 0
    if waiting:
        yield CarriedRange(tuple(waiting))


@lru_cache(maxsize=1)
def _storage(settings: Settings) -> Storage:
    """One connection pool a worker process."""
    return open_storage(settings)
