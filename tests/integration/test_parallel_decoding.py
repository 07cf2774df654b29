"""Decoding in processes keeps the files' order with any number of workers; a dead one is reported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from wgan.data.decoding import CHUNK, decode_files
from wgan.data.images import Shape
from wgan.data.source import EncodedImage, ImageFiles
from wgan.errors import DataError

SHAPE = Shape(32, 1)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}


PREPARATION = """
import sys, threading, time
from pathlib import Path
from wgan.data.decoding import decode_files
from wgan.data.images import Shape
from wgan.data.source import EncodedImage, ImageFiles
paths = sorted(Path(sys.argv[1]).glob("*.png"))
images = ImageFiles(100, (), [EncodedImage(path.name, path) for path in paths])
decoding = decode_files(images, Shape(32, 1), 2, 100)
"""


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    """100 pictures; every tenth does not decode."""
    images = []
    for index in range(100):
        path = tmp_path / f"{index:03}.png"
        if index % 10 == 3:
            path.write_bytes(b"broken")
        else:
            Image.new("L", (20, 20), index).save(path)
        images.append(EncodedImage(path.name, path, label=index))
    return ImageFiles(len(images), (), images)


@pytest.mark.parametrize("workers", [1, 3])
def test_good_and_bad_files_come_in_the_order_of_the_source(files: ImageFiles, workers: int) -> None:
    runs = list(decode_files(files, SHAPE, workers, limit=100))
    good = [index for index in range(100) if index % 10 != 3]
    assert [label for run in runs for label in run.labels] == good
    assert np.concatenate([run.pixels for run in runs])[:, 0, 0, 0].tolist() == good
    assert [bad for run in runs for bad in run.bad] == [
        (f"{index:03}.png", "not an image") for index in range(3, 100, 10)
    ]


def test_only_the_first_files_are_decoded_when_there_is_a_limit(files: ImageFiles) -> None:
    runs = list(decode_files(files, SHAPE, workers=2, limit=20))
    assert sum(len(run.labels) + len(run.bad) for run in runs) == 20


def test_a_file_that_changed_since_it_was_identified_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (20, 20)).save(path)
    images = ImageFiles(1, (), [EncodedImage("a.png", path, sha256="0" * 64)])
    assert next(decode_files(images, SHAPE, 1, 1)).bad == [("a.png", "changed while it was being prepared")]


def decode_workers() -> list[psutil.Process]:
    """This process's workers; other children may be the servers of the test session."""
    children = psutil.Process().children()
    return [child for child in children if any("decode_worker" in part for part in child.cmdline())]


def test_a_killed_worker_is_one_sentence_that_names_the_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (20, 20)).save(path)
    count = 200 * CHUNK
    endless = ImageFiles(count, (), [EncodedImage(f"{index}.png", path) for index in range(count)])
    runs = decode_files(endless, SHAPE, 1, count)
    next(runs)
    [worker] = decode_workers()
    worker.kill()
    with pytest.raises(DataError, match=r"killed by signal 9\) at one of the files \d+\.png to \d+\.png"):
        list(runs)


def test_no_worker_outlives_an_abandoned_decoding(files: ImageFiles) -> None:
    runs = decode_files(files, SHAPE, 2, 100)
    next(runs)
    workers = decode_workers()
    assert len(workers) == 2
    runs.close()
    assert not any(worker.is_running() for worker in workers)


def test_a_worker_ends_with_a_killed_parent(files: ImageFiles, tmp_path: Path) -> None:
    script = PREPARATION + "next(decoding)\nprint(flush=True)\ntime.sleep(60)\n"
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=ENVIRONMENT, stdout=subprocess.PIPE)
    assert parent.stdout
    parent.stdout.readline()
    workers = psutil.Process(parent.pid).children()
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert workers
    assert not alive


SCRIPT = f"""{PREPARATION}
thread = threading.Thread(target=lambda: print(sum(len(run.labels) for run in decoding)))
thread.start()
thread.join()
"""
"""Decodes in a thread, and has no `if __name__ == "__main__"`."""


@pytest.mark.parametrize("how", ["command", "standard input", "file"])
def test_it_works_in_a_thread_of_any_script(files: ImageFiles, tmp_path: Path, how: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    start = {"command": ["-c", SCRIPT], "standard input": ["-"], "file": [str(tmp_path / "script.py")]}[how]
    result = subprocess.run(
        [sys.executable, *start, str(tmp_path)], input=SCRIPT, text=True, capture_output=True, env=ENVIRONMENT
    )
    assert (result.stdout, result.stderr) == ("90\n", "")
