"""Retrainings short enough for a test, and `--json` answers."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.stack_commands import run
from wgan.settings import Settings

QUICK = (
    "training.generator_steps=12",
    "training.log_every=1",
    "training.sample_every=6",
    "training.checkpoint_every_steps=4",
    "training.batch_size=16",
    "evaluation.sample_count=128",
    "evaluation.seeds=2",
    "evaluation.extractor=pixels",
    "networks.width=4",
    "networks.latent_dim=8",
)
"""A training of a second or two; its generator is poor, so the gate's floors are open."""

OPEN_FLOORS = (
    "promotion.max_fid=1e9",
    "promotion.min_coverage=0",
    "promotion.min_modes=0",
    "promotion.min_recall=0",
    "promotion.beat_untrained=false",
)


def quick(name: str, *more: str) -> list[str]:
    """`--preset digits` shortened, registered as generator-<name>; `more` takes the place of what it gives again."""
    return ["--preset", "digits", *assigned(*QUICK, *OPEN_FLOORS, f"data.name={name}", *more)]


def assigned(*texts: str) -> list[str]:
    """`--set` options; of two texts that give the same field the later one counts."""
    given = {text.partition("=")[0]: text for text in texts}
    return [part for text in given.values() for part in ("--set", text)]


def json_of(settings: Settings, *arguments: str, code: int | tuple[int, ...] = 0, **more: str) -> Any:
    """Run with --json; standard output must hold one JSON value and nothing else."""
    return json.loads(run(settings, *arguments, "--json", code=code, **more).stdout)
