"""The disk of the cache folder fills up while a training writes its checkpoints."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.drills.common_training import EVERY, FIRST_CHECKPOINT, assert_whole, common, flow_run_of, retries
from tests.drills.faulty_stack import FaultyStack
from tests.drills.test_serving_faults import own_disk


def fill(folder: Path) -> None:
    """Fill the folder's disk."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(2**16)):
            pass


def test_a_full_disk_ends_the_training_in_one_sentence_and_free_space_lets_it_resume(
    faulty: FaultyStack, undisturbed: Any, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with own_disk(cache) as refused:
        if refused:
            pytest.skip(f"no small disk can be mounted: {refused}")
        faulty.s3.at_first(FIRST_CHECKPOINT, lambda: fill(cache))
        ended = faulty.run("retrain", *common("full"), code=1, WGAN_CACHE_DIR=str(cache))
        sentence = ended.stderr.strip().splitlines()[-1]
        flow_run = flow_run_of(ended.stderr)
        print(sentence)
        assert "could not be written" in sentence
        assert f"the disk that holds {cache}" in sentence
        assert "is full; free some space, or set WGAN_CACHE_DIR" in sentence
        assert "Traceback" not in ended.stderr
        assert retries(faulty, flow_run) == {}, "a full disk was tried again"
        assert faulty.checkpoints(flow_run)[0].step >= EVERY
        left = [path for path in (cache / "training").rglob("*") if path.is_file()]
        assert [path for path in left if not path.match("step-*.pt")] == [], "a temporary file is left"

        (cache / "filler").unlink()
        outcome = faulty.json("retrain", "--resume", flow_run, WGAN_CACHE_DIR=str(cache))
        assert not list((cache / "training").iterdir())
    assert_whole(faulty, outcome, undisturbed)
