"""What limits a clipped WGAN on Gaussians of the published deviation: python tests/benchmarks/gaussian_modes.py.

Trains perceptrons on the 25-Gaussian grid (`--mixture ring`: on the 8-Gaussian ring) with five critic steps and clip
value 0.1, or as the variant's name says; a rate that falls ends at 0. `--only NAME` runs some variants; `--seeds`,
`--steps` and `--width` change all. Prints JSON and a table of modes, share of high-quality samples, reverse KL (nats),
and share of the critic's weights at the bound, as means over the seeds. They are a function of the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from wgan.study.baselines import in_the_plane
from wgan.study.mixtures import mixture
from wgan.study.parallel import run_trials
from wgan.study.sizes import MEDIUM
from wgan.study.trials import PointTrial, TrialResult
from wgan.study.variants import point_trial

FALLING = {"lr_schedule": "linear"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "lr 2e-4": ("wgan", {"n_critic": 5}),
    "lr 2e-4 falling": ("wgan", {"n_critic": 5, **FALLING}),
    "lr 2e-4 falling, clip value 0.3": ("wgan", {"n_critic": 5, "clip_value": 0.3, **FALLING}),
    "lr 1e-3 falling": ("wgan", {"n_critic": 5, "lr": 1e-3, **FALLING}),
    "lr 1e-3 falling, clip value 0.3": ("wgan", {"n_critic": 5, "lr": 1e-3, "clip_value": 0.3, **FALLING}),
    "lr 1e-3 falling, 10 critic steps": ("wgan", {"n_critic": 10, "lr": 1e-3, **FALLING}),
    "lr 1e-3 falling, twice the width": ("wgan", {"n_critic": 5, "width": 2, "lr": 1e-3, **FALLING}),
    "lr 1e-3 falling, four times the steps": ("wgan", {"n_critic": 5, "length": 4, "lr": 1e-3, **FALLING}),
    "lr 3e-3 falling": ("wgan", {"n_critic": 5, "lr": 3e-3, **FALLING}),
    "lr 3e-3 falling, 10 critic steps": ("wgan", {"n_critic": 10, "lr": 3e-3, **FALLING}),
    "lr 1e-2 falling": ("wgan", {"n_critic": 5, "lr": 1e-2, **FALLING}),
    "WGAN-GP, lr 5e-4 falling": ("wgan-gp", FALLING),
}
"""By name: the objective, and what differs; `width` and `length` are factors on those of all."""


def trial(name: str, chosen: argparse.Namespace, seed: int) -> PointTrial:
    """The training of a variant with one seed."""
    objective, differing = VARIANTS[name]
    changes = dict(differing)
    width, length = changes.pop("width", 1), changes.pop("length", 1)
    size = MEDIUM.model_copy(update={"point_steps": chosen.steps * length, "point_width": chosen.width * width})
    training = in_the_plane(objective, size, seed, **changes)
    return point_trial(f"{name}, seed {seed}", size, chosen.mixture, training)


def row(name: str, results: list[TrialResult]) -> dict[str, Any]:
    """The means over a variant's seeds; a training that diverged has no mode."""
    last = [{"modes": 0.0, "high_quality": 0.0, "reverse_kl": np.nan} if r.diverged else r.last() for r in results]
    means = {key: float(np.mean([values[key] for values in last])) for key in ("modes", "high_quality", "reverse_kl")}
    return {
        "variant": name,
        "seeds": len(results),
        **means,
        "at_bound": float(np.mean([r.clip_share for r in results])),
    }


def main() -> None:
    """Train, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixture", choices=("ring", "grid"), default="grid")
    parser.add_argument("--only", choices=VARIANTS, nargs="+", default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=MEDIUM.point_steps)
    parser.add_argument("--width", type=int, default=MEDIUM.point_width)
    chosen = parser.parse_args()
    trials = [trial(name, chosen, seed) for name in chosen.only for seed in chosen.seeds]

    def finished(done: int, result: TrialResult) -> None:
        print(f"{done} of {len(trials)}: {result.trial.name}", file=sys.stderr, flush=True)

    results, count = run_trials(trials, finished), len(chosen.seeds)
    rows = [row(name, results[i * count : (i + 1) * count]) for i, name in enumerate(chosen.only)]
    print(json.dumps(rows))
    of = len(mixture(chosen.mixture).centres)
    print("| variant | modes | high quality | reverse KL | weights at the bound |\n|---|---|---|---|---|")
    for values in rows:
        print(
            f"| {values['variant']} | {values['modes']:.1f} of {of} | {values['high_quality']:.0%} "
            f"| {values['reverse_kl']:.3f} | {values['at_bound']:.0%} |"
        )


if __name__ == "__main__":
    main()
