"""Claim 7: the clip value is delicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from wgan import progress
from wgan.errors import TrainingDiverged
from wgan.study.baselines import in_the_plane
from wgan.study.mixtures import mixture, wasserstein
from wgan.study.networks import HE_GAIN, Scorer, initialise_linear, perceptron
from wgan.study.parallel import one_thread
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Series, Table, Variant
from wgan.study.sizes import StudySize
from wgan.study.training import gan_pair, train_pair
from wgan.study.trials import POINT_NOISE
from wgan.study.variants import Stopwatch
from wgan.training.measures import clip_share
from wgan.training.streams import Purpose, torch_stream

CLAIM = Claim(
    number=7,
    title="The clip value is delicate",
    source="Section 3, after Algorithm 1; Gulrajani et al. 2017, section 3.2 and figure 1(b)",
    statement="“If the clipping parameter is large, it can take a long time for any weights to reach their limit. If "
    "the clipping is small, this can easily lead to vanishing gradients when the number of layers is big.” A gradient "
    "penalty does neither.",
    criterion="Through the critic's hidden layers, from the last to the first, the gradient shrinks more than tenfold "
    "with c = 0.01 while with the penalty it changes less than tenfold; and more than half of the weights lie at the "
    "bound with c = 0.01, but less than 1 % with c = 1.",
)
DEPTH = 8
"""Hidden layers of the critic: the claim is about deep critics."""
CLIPS = (0.01, 0.1, 1.0)
FACTOR = 10.0


def reproduce(size: StudySize, seed: int) -> ClaimResult:
    """Train deep critics with three clip values and with the penalty, and look at the gradients inside."""
    watch = Stopwatch()
    steps = max(size.measurements, size.point_steps // 4)
    shorter = size.model_copy(update={"point_steps": steps})
    ways: dict[str, dict[str, Any]] = {f"c = {c:g}": {"objective": "wgan", "clip_value": c} for c in CLIPS}
    ways["gradient penalty"] = {"objective": "wgan-gp"}
    measured: dict[str, dict[str, Any]] = {}
    diverged: dict[str, str] = {}
    for place, (name, changes) in enumerate(ways.items()):
        progress.report("claim 7", place, len(ways), CLAIM.title)
        try:
            with one_thread():
                measured[name] = measure_critic(shorter, seed, **changes)
        except TrainingDiverged as error:  # a result, as in the other claims
            diverged[name] = str(error)
    progress.report("claim 7", len(ways), len(ways), CLAIM.title)
    rows = [_row(name, measured[name]) if name in measured else (name, "diverged", *"––––") for name in ways]
    finding, holds = judge(measured)
    return watch.result(
        CLAIM,
        [],
        protocol=f"25-Gaussian grid, critic of {DEPTH} hidden layers of {size.point_width} "
        "with He's initial weights, generator as in claim 1, "
        f"{steps:,} generator steps, one seed. Norm of the gradient of mean f(real) − mean f(generated) at the "
        "output of each of the critic's hidden layers, after training.",
        table=Table(
            columns=(
                "critic",
                "weights at the bound",
                "gradient, last layer",
                "first layer",
                "first / last",
                "exact W₁",
            ),
            rows=tuple(rows),
        ),
        finding=" ".join([finding, *(f"With {name}: {message}" for name, message in diverged.items())]),
        holds=holds,
        charts=[_chart(measured)],
    ).model_copy(update={"variants": tuple(_variant(name, values, seed) for name, values in measured.items())})


def judge(measured: dict[str, dict[str, Any]]) -> tuple[str, bool]:
    """The result in a sentence, and whether the claim holds: not if a critic concerned diverged."""
    small, large, penalty = f"c = {CLIPS[0]:g}", f"c = {CLIPS[-1]:g}", "gradient penalty"
    if not {small, large, penalty} <= set(measured):
        return "A training that the criterion is about diverged.", False
    ratio = {name: first_to_last(values["norms"]) for name, values in measured.items()}
    at_bound = {name: values["clip_share"] for name, values in measured.items()}
    finding = (
        f"From the last hidden layer to the first the gradient changes by {ratio[small]:.0e} with {small}, "
        f"{ratio[large]:.0e} with {large} and {ratio[penalty]:.1f} with the penalty; at the bound are "
        f"{100 * at_bound[small]:.0f} % and {100 * at_bound[large]:.1f} % of the weights."
    )
    vanishes, steady = ratio[small] < 1 / FACTOR, 1 / FACTOR < ratio[penalty] < FACTOR
    return finding, vanishes and steady and at_bound[small] > 0.5 and at_bound[large] < 0.01


def first_to_last(norms: list[float]) -> float:
    """The gradient's norm at the first hidden layer as a multiple of that at the last."""
    return norms[0] / max(norms[-1], 1e-45)


def _row(name: str, values: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{100 * values['clip_share']:.1f} %" if name.startswith("c") else "–",
        f"{values['norms'][-1]:.1e}",
        f"{values['norms'][0]:.1e}",
        f"{first_to_last(values['norms']):.1e}",
        f"{values['distance']:.2f}",
    )


def measure_critic(size: StudySize, seed: int, **changes: Any) -> dict[str, Any]:
    """Train on the grid with a deep critic; its layers' gradient `norms` (first to last), `clip_share`, `distance`.

    Raises `TrainingDiverged`.
    """
    objective = str(changes.pop("objective"))
    training = in_the_plane(objective, size, seed, **changes)
    of = mixture("grid", size.widening)
    generator, critic = perceptron(POINT_NOISE, 2, size.point_width, 3), Scorer(2, size.point_width, DEPTH)
    initialise_linear(generator, torch_stream(seed, Purpose.GENERATOR_WEIGHTS))
    initialise_linear(critic, torch_stream(seed, Purpose.CRITIC_WEIGHTS), HE_GAIN)

    def real(step: int) -> torch.Tensor:
        stream = np.random.SeedSequence((seed, int(Purpose.DATA_ORDER), 0, step))
        return torch.from_numpy(of.draw(training.batch_size, np.random.Generator(np.random.Philox(stream))))

    shares: list[float] = []

    def after_step(step: int) -> None:
        shares.append(clip_share(critic, training.clip_value))

    train_pair(gan_pair(generator, critic, training), training, real, POINT_NOISE, after_step)
    noise = torch.randn(500, POINT_NOISE, generator=torch_stream(seed, Purpose.GENERATOR_NOISE, 0, 2**31))
    points = of.draw(500, np.random.Generator(np.random.Philox(seed)))
    with torch.no_grad():
        made = generator(noise)
    return {
        "norms": layer_gradients(critic, torch.from_numpy(points), made),
        "clip_share": shares[-1],
        "shares": shares,
        "distance": wasserstein(made.numpy(), points),
    }


def layer_gradients(critic: Scorer, real: torch.Tensor, fake: torch.Tensor) -> list[float]:
    """Norm of the estimate's gradient at each hidden layer's output, first to last. `real`, `fake` (N, d)."""
    outputs: list[torch.Tensor] = []
    values = torch.cat([real, fake]).double()
    double = Scorer(critic.dimension, critic.width, critic.depth).double()
    double.load_state_dict(critic.state_dict())  # float32 would round the smallest of these to 0
    for layer in double.layers:
        values = layer(values)
        outputs.append(values)
    scores = values.squeeze(1)
    estimate = scores[: len(real)].mean() - scores[len(real) :].mean()
    hidden = outputs[1:-1:2]  # after each ReLU
    return [float(gradient.norm()) for gradient in torch.autograd.grad(estimate, hidden)]


def _variant(name: str, values: dict[str, Any], seed: int) -> Variant:
    norms = {f"gradient_layer_{layer}": norm for layer, norm in enumerate(values["norms"], start=1)}
    return Variant(
        name=f"{name} seed {seed}",
        parameters={"critic": name, "seed": str(seed)},
        metrics={"clip_share": values["clip_share"], "distance": values["distance"], **norms},
    )


def _chart(measured: dict[str, dict[str, Any]]) -> Chart:
    layers = tuple(float(layer) for layer in range(1, DEPTH + 1))
    gradients = Panel(
        title="Gradient norm at the critic's hidden layers",
        kind="line",
        series=tuple(Series(label=name, x=layers, y=tuple(values["norms"])) for name, values in measured.items()),
        x_label="hidden layer (1: next to the data)",
        y_scale="log",
        markers=True,
    )
    shares = Panel(
        title="Share of weights at the bound",
        kind="line",
        series=tuple(
            Series(label=name, x=tuple(range(1, len(values["shares"]) + 1)), y=tuple(values["shares"]))
            for name, values in measured.items()
            if name.startswith("c")
        ),
        x_label="generator step",
    )
    return Chart(
        name="claim-7-gradients",
        caption="Gradients on their way from the last hidden layer to the first, and how soon weights reach the bound.",
        panels=(gradients, shares),
        columns=2,
    )
