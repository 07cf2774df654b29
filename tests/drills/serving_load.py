"""Clients that constantly send requests to a serving process and check every byte."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx
import numpy as np
from numpy.typing import NDArray

COUNTS = (1, 3, 1, 40)
"""Images per request, alternating: 40 take several forward passes, so that a swap can happen between them."""
SEED = 7


@dataclass
class Load:
    """The clients' observations so far. `seconds` and `wrong` only grow."""

    url: str
    images: Mapping[str, NDArray[np.uint8]]
    """Version → the images (at least max(COUNTS), C, H, W) it draws of `SEED`."""
    seconds: list[float] = field(default_factory=list)
    """Of every answer."""
    versions: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Wrong answers."""
    pause: float = 0.0
    """Seconds between an answer and the next request."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """One client's work until `stopped`."""
        with httpx.Client(base_url=self.url, timeout=30, headers={"Accept": "application/x-npy"}) as client:
            for number in count():
                if self.stopped.wait(self.pause):
                    return
                asked = COUNTS[number % len(COUNTS)]
                started = time.perf_counter()
                try:
                    answer = client.post("/v1/images", json={"count": asked, "seed": SEED})
                except httpx.HTTPError as error:
                    self.wrong.append(f"{type(error).__name__}: {error}")
                    continue
                self.seconds.append(time.perf_counter() - started)
                self.check(answer, asked)

    def check(self, answer: httpx.Response, asked: int) -> None:
        """An answer must be 200, and its images exactly those of the version in its header."""
        if answer.status_code != 200:
            self.wrong.append(f"status {answer.status_code}: {answer.text}")
            return
        version = answer.headers["x-wgan-version"]
        self.versions[version] += 1
        got = np.load(io.BytesIO(answer.content), allow_pickle=False)
        if version not in self.images or not np.array_equal(got, self.images[version][:asked]):
            self.wrong.append(f"{asked} images that are not those of version {version}")

    def percentile(self, percent: float, start: int, end: int | None = None) -> float:
        """Milliseconds, of the answers from number `start` to `end`."""
        return 1000 * float(np.percentile(self.seconds[start:end], percent))


@contextmanager
def load(url: str, images: Mapping[str, NDArray[np.uint8]], clients: int = 2, pause: float = 0.0) -> Iterator[Load]:
    """Clients in threads that send requests until the block ends."""
    running = Load(url, images, pause=pause)
    threads = [threading.Thread(target=running.ask, name=f"client-{number}") for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        for thread in threads:
            thread.join()
