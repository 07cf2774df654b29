"""Claim 3: an optimal critic still gives gradients where an optimal discriminator gives none."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wgan import progress
from wgan.config import TrainingConfig
from wgan.study.networks import Scorer, initialise_linear
from wgan.study.parallel import one_thread
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Series, Table, Variant
from wgan.study.sizes import StudySize
from wgan.study.variants import POINT_LAYERS, Stopwatch, plus_minus
from wgan.training.objectives import objective_of
from wgan.training.state import optimizer_of
from wgan.training.streams import Purpose, torch_stream

CLAIM = Claim(
    number=3,
    title="Gradients do not vanish",
    source="Section 3, figure 2",
    statement="Between two Gaussians with disjoint supports the optimal discriminator is perfect and gives no "
    "gradient, while the critic “converges to a linear function that gives remarkably clean gradients everywhere”.",
    criterion="On every seed, at the generator's samples, the median |dD/dx| of the discriminator is below 1 % of its "
    "largest value on the axis, and the median |df/dx| of the clipped critic is above 10 % of its largest.",
)
REAL, FAKE, SD = -3.0, 3.0, 0.5
"""Means of the two Gaussians and their deviation: twelve deviations apart."""
AXIS = np.linspace(-6.0, 6.0, 481)
BATCH = 256
VANISHED, ALIVE = 0.01, 0.1
CURVE_POINTS = 20


def reproduce(size: StudySize, seed: int) -> ClaimResult:
    """Train both to near optimality against fixed samples, and compare the slopes."""
    watch = Stopwatch()
    runs: dict[str, list[dict[str, Any]]] = {"gan": [], "wgan": []}
    total = 2 * size.seeds
    for number in range(size.seeds):
        for place, way in enumerate(runs):
            progress.report("claim 3", 2 * number + place, total, CLAIM.title)
            with one_thread():
                runs[way].append(train_to_optimum(way, size, seed + number))
    progress.report("claim 3", total, total, CLAIM.title)
    shares = {way: [slope_share(run["value"], run["slope"], run["fakes"]) for run in runs[way]] for way in runs}
    exact = slope_share(optimal_discriminator(AXIS), optimal_slope(AXIS), _fakes(seed))
    rows = [
        ("optimal discriminator D*, closed form", f"{optimal_discriminator(np.array([FAKE]))[0]:.1e}", f"{exact:.1e}"),
        (
            f"discriminator after {size.optimum_steps:,} steps",
            f"{np.mean([np.interp(FAKE, AXIS, run['value']) for run in runs['gan']]):.1e}",
            ", ".join(f"{share:.1e}" for share in shares["gan"]),
        ),
        (
            f"clipped critic after {size.optimum_steps:,} steps",
            "not bounded",
            plus_minus(shares["wgan"]),
        ),
    ]
    return watch.result(
        CLAIM,
        [],
        protocol=f"Real N({REAL:g}, {SD}²), generated N({FAKE:g}, {SD}²), which do not move; perceptrons of three "
        f"hidden layers of {size.point_width}, {size.optimum_steps:,} critic steps of {BATCH} samples, "
        f"{size.seeds} seeds. The discriminator is trained by cross-entropy (Adam, lr 1e-3), the critic by Algorithm 1 "
        "(RMSProp, lr 1e-3, clip value 0.1). Slopes are compared with the largest of the same function, because a "
        "critic is known up to a factor only. The slope of D is that of figure 2; a generator that minimises −log D "
        "sees the logit's slope, which does not vanish, but is not a distance's either.",
        table=Table(
            columns=("function", "value at the generated mean", "slope at samples / largest"), rows=tuple(rows)
        ),
        finding=f"At the generated samples the discriminator keeps {max(shares['gan']):.1e} of its largest slope at "
        f"most, the critic {min(shares['wgan']):.2f} at least.",
        holds=max(shares["gan"]) < VANISHED and min(shares["wgan"]) > ALIVE,
        charts=[_chart(runs)],
    ).model_copy(
        update={"variants": tuple(_variant(way, run, seed + n) for way in runs for n, run in enumerate(runs[way]))}
    )


def optimal_discriminator(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """D* = p_real / (p_real + p_fake) of the two Gaussians: a sigmoid, because both have the same deviation."""
    return 1 / (1 + np.exp(np.clip(-_optimal_logit(x), -700, 700)))


def optimal_slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """dD*/dx, in closed form: D* (1 − D*) (μ_real − μ_fake) / σ²; the product is computed without cancellation."""
    logit = np.abs(_optimal_logit(x))
    slope: NDArray[np.float64] = (REAL - FAKE) / SD**2 * np.exp(-logit) / (1 + np.exp(-logit)) ** 2
    return slope


def slope_share(value: NDArray[np.float64], slope: NDArray[np.float64], fakes: NDArray[np.float64]) -> float:
    """Median |slope| at `fakes` as a share of the largest |slope| on `AXIS`, where `value` and `slope` are given."""
    assert value.shape == slope.shape == AXIS.shape
    return float(np.median(np.interp(fakes, AXIS, np.abs(slope))) / np.abs(slope).max())


def train_to_optimum(way: str, size: StudySize, seed: int) -> dict[str, Any]:
    """A discriminator (`gan`) or clipped critic (`wgan`) trained against fixed distributions.

    Returns `value` and `slope` on `AXIS`, `fakes`, `scale` (the loss reached), and `steps` with the `share` of the
    slope at the fakes during training.
    """
    training = TrainingConfig.model_validate(
        {
            "objective": way,
            "lr": 1e-3,
            "clip_value": 0.1,
            "optimizer": "adam" if way == "gan" else "rmsprop",
            "seed": seed,
        }
    )
    critic = Scorer(1, size.point_width, POINT_LAYERS)
    initialise_linear(critic, torch_stream(seed, Purpose.CRITIC_WEIGHTS))
    objective, optimizer = objective_of(training), optimizer_of(critic, training)
    squash: Callable[[Tensor], Tensor] = torch.sigmoid if way == "gan" else nn.Identity()
    fakes = _fakes(seed)
    steps, shares = [], []
    value, slope = _on_axis(critic, squash)
    every = max(1, size.optimum_steps // CURVE_POINTS)
    for step in range(size.optimum_steps):
        stream = torch_stream(seed, Purpose.DATA_ORDER, 0, step)
        real = REAL + SD * torch.randn(BATCH, 1, generator=stream)
        fake = FAKE + SD * torch.randn(BATCH, 1, generator=stream)
        loss, _ = objective.critic_loss(critic, real, fake, torch.zeros(BATCH))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        objective.constrain(critic)
        if (step + 1) % every == 0:
            value, slope = _on_axis(critic, squash)
            steps.append(step + 1)
            shares.append(slope_share(value, slope, fakes))
    return {"value": value, "slope": slope, "fakes": fakes, "steps": steps, "share": shares, "loss": loss.item()}


def _fakes(seed: int) -> NDArray[np.float64]:
    return np.random.Generator(np.random.Philox(seed)).normal(FAKE, SD, size=500)


def _optimal_logit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return ((x - FAKE) ** 2 - (x - REAL) ** 2) / (2 * SD**2)


def _on_axis(critic: nn.Module, squash: Callable[[Tensor], Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Slopes may be far below float32's resolution near 1, so they are differentiated, in float64, not subtracted.
    x = torch.from_numpy(AXIS).unsqueeze(1).requires_grad_()
    critic.double()
    value = squash(critic(x))
    (slope,) = torch.autograd.grad(value.sum(), x)
    critic.float()
    return value.detach().numpy().copy(), slope.squeeze(1).numpy().copy()


def _variant(way: str, run: dict[str, Any], seed: int) -> Variant:
    return Variant(
        name=f"{'discriminator' if way == 'gan' else 'clipped critic'} seed {seed}",
        parameters={"objective": way, "seed": str(seed)},
        metrics={"slope_share": run["share"][-1], "critic_loss": run["loss"]},
        steps=tuple(run["steps"]),
        curves={"slope_share": tuple(run["share"])},
    )


def _chart(runs: dict[str, list[dict[str, Any]]]) -> Chart:
    def density(mean: float) -> NDArray[np.float64]:
        return np.exp(-((AXIS - mean) ** 2) / (2 * SD**2)) / (SD * math.sqrt(2 * math.pi))

    critic = runs["wgan"][0]["value"]
    scaled = (critic - critic.min()) / max(float(np.ptp(critic)), 1e-12)
    axis = tuple(AXIS.tolist())
    curves = {
        "real density": density(REAL),
        "generated density": density(FAKE),
        "discriminator D(x)": runs["gan"][0]["value"],
        "clipped critic f(x), scaled to 0 … 1": scaled,
    }
    landscape = Panel(
        title="After training",
        kind="line",
        series=tuple(Series(label=name, x=axis, y=tuple(np.round(y, 5).tolist())) for name, y in curves.items()),
        x_label="x",
    )
    names = {"gan": "discriminator", "wgan": "clipped critic"}
    shares = Panel(
        title="Slope at the generated samples / largest slope",
        kind="line",
        series=tuple(
            Series(
                label=names[way],
                x=tuple(map(float, runs[way][0]["steps"])),
                y=tuple(max(share, 1e-30) for share in runs[way][0]["share"]),
            )
            for way in runs
        ),
        x_label="critic step",
        y_scale="log",
        markers=True,
    )
    return Chart(
        name="claim-3-slopes",
        caption="The paper's figure 2 again: the discriminator is flat where the generated samples are, the critic is "
        "not (first seed).",
        panels=(landscape, shares),
        columns=2,
    )
