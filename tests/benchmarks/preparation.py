"""Small images below an S3 prefix, prepared on Ray: python tests/benchmarks/preparation.py [--images 20000].

An S3 server of its own gets PNG files of 64×64 pixels. They are prepared one by one (read, decode, next), as usual with
one decoding process, and on clusters of one and two nodes with a processor each, whose start does not count. Each time
includes the listing, the digest, the shards and the manifest. Prints one JSON object and a table: images per second,
and the most memory that the preparing process held (VmHWM), which must not grow with the number of images beyond their
names. The S3 server takes its share of the machine, too.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

# Of a script only its own folder is on the path, and a package that is installed may bring a `tests`, too.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray listens on loopback only

from tests.integration.data_object_store import nanio_server
from tests.integration.ray_nodes import ray_nodes
from wgan.config import DataConfig
from wgan.data.images import Shape, decode
from wgan.data.prepare import prepare_dataset
from wgan.settings import Settings
from wgan.storage import open_storage

SIZE = 64
PREFIX = "photographs"
DIFFERENT = 256
"""Different pictures; the others are copies, whose reading and decoding takes as long."""


def put_images(settings: Settings, count: int) -> None:
    """Upload the pictures."""
    random = np.random.Generator(np.random.Philox(0))
    contents = []
    for _ in range(DIFFERENT):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(file, "PNG")
        contents.append(file.getvalue())
    storage = open_storage(settings)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.put_bytes(f"{PREFIX}/{n:08}.png", contents[n % DIFFERENT]), range(count)))


def prepare(way: str, settings: Settings) -> tuple[float, int]:
    """In a process of its own: prepare the images; returns the seconds, and the bytes of this process's memory."""
    storage = open_storage(settings)
    start = time.perf_counter()
    if way == "one by one":
        for entry in storage.list(f"{PREFIX}/"):
            decode(storage.get_bytes(entry.key), Shape(SIZE, 3))
    else:
        location = f"s3://{settings.bucket}/{PREFIX}"
        config = DataConfig(
            source="s3", location=location, name=way.lower().replace(" ", "-"), image_size=SIZE, channels=3
        )
        prepare_dataset(config, settings, storage)
    seconds = time.perf_counter() - start
    most = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    return seconds, int(most) * 1024


def measured(way: str, settings: Settings, images: int, rounds: int) -> dict[str, float]:
    """The fastest round."""
    context = multiprocessing.get_context("spawn")
    times = []
    for number in range(rounds):
        own = settings.model_copy(update={"datasets_prefix": f"datasets-{number}"})
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            times.append(pool.submit(prepare, way, own).result())
    seconds, memory = min(times)
    return {"images_per_second": images / seconds, "most_bytes": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, nanio_server(Path(folder) / "s3") as store:
        settings = store.settings(Path(folder) / "home", prepare_workers=1)
        put_images(settings, given.images)
        found = {
            way: measured(way, settings, given.images, given.rounds) for way in ("one by one", "one decoding process")
        }
        for nodes in (1, 2):
            with ray_nodes(*[1] * nodes) as cluster:
                on_cluster = settings.model_copy(update={"ray_address": cluster.address})
                way = f"{nodes} on Ray"
                found[way] = measured(way, on_cluster, given.images, given.rounds)
    print(json.dumps({"images": given.images, "ways": found}))
    print("\n| | images/s | times one by one | memory |\n|---|---|---|---|")
    for way, values in found.items():
        ratio = values["images_per_second"] / found["one by one"]["images_per_second"]
        print(f"| {way} | {values['images_per_second']:,.0f} | {ratio:.2f} | {values['most_bytes'] / 2**20:.0f} MiB |")


if __name__ == "__main__":
    main()
