"""Algorithm 1 of Arjovsky, Chintala and Bottou, *Wasserstein GAN* (ICML 2017).

    while θ has not converged:
        for t = 1, …, n_critic:
            sample a batch {x} of real data and a batch {z} of noise
            g_w ← ∇_w [mean f_w(x) − mean f_w(g_θ(z))]
            w ← w + α · RMSProp(w, g_w)
            w ← clip(w, −c, c)
        sample a batch {z} of noise
        g_θ ← −∇_θ mean f_w(g_θ(z))
        θ ← θ − α · RMSProp(θ, g_θ)

`train` is the outer loop; its bodies, `critic_step` and `generator_step`, are in `wgan.training.steps`, the two losses
and the clamp in `wgan.training.objectives`.

On the CPU in float32 the weights and every metric except the speed are bit-for-bit a function of (configuration, data,
seed), for a given processor, thread count and torch version; interruptions do not change them. On CUDA nothing in a
step waits for the device: losses stay tensors until a step is logged.

With several ranks, each has its own batches, and gradients, losses and the request to stop are averaged in one
collective a step, so that all ranks keep the same weights and stop at the same step.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from wgan.config import RetrainConfig
from wgan.training.average import update_average
from wgan.training.batches import DataOrder, ImageSource, RealBatches
from wgan.training.callbacks import Callbacks, Evaluate, Observer, TrainingResult
from wgan.training.checkpoint import load_checkpoint
from wgan.training.device import arithmetic, limit_threads
from wgan.training.execution import choose_execution
from wgan.training.inputs import StepInputs
from wgan.training.learning_rate import learning_rate_at, set_learning_rate
from wgan.training.memory import out_of_memory
from wgan.training.notebook import PRINTED, require_configured_shape
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution, StepRunner
from wgan.training.state import StartingPoint, new_state, start_from
from wgan.training.steps import critic_steps_before
from wgan.training.synchronised_norm import synchronise_batch_norms
from wgan.training.world import ALONE, World

__all__ = ["Execution", "ImageSource", "Observer", "TrainingResult", "train"]

logger = logging.getLogger(__name__)
CPU = torch.device("cpu")


def train(
    config: RetrainConfig,
    images: ImageSource,
    data_digest: str = "",
    observer: Observer = PRINTED,
    device: torch.device = CPU,
    folder: Path = Path("training"),
    resume_from: Path | None = None,
    world: World = ALONE,
    cache: Path | None = None,
    execution: Execution | None = None,
    evaluate: Evaluate | None = None,
    start: StartingPoint | None = None,
) -> TrainingResult:
    """Train a generator on `images`, from scratch or from a checkpoint, and leave the last checkpoint in `folder`.

    Unless `execution` is given, it is chosen for this machine, with timings cached in the folder `cache`. `evaluate` is
    called with a checkpoint every `training.evaluate_every` steps and may end the training there. Without a checkpoint
    to resume from, a new run starts from the networks of `start`, or from freshly drawn ones. Raises
    `TrainingDiverged` at a NaN or an infinity (the last good checkpoint remains), `CheckpointError` if `resume_from` is
    not a complete checkpoint of this configuration and data, `WganError` if the device has too little memory.
    """
    require_configured_shape(images, config)
    folder.mkdir(parents=True, exist_ok=True)
    limit_threads()
    with arithmetic(device, config.training.tf32):
        try:
            return _train(
                config,
                images,
                data_digest,
                observer,
                device,
                folder,
                resume_from,
                world,
                cache,
                execution,
                evaluate,
                start,
            )
        except torch.OutOfMemoryError:
            pass
        raise out_of_memory(config, device)


def _train(
    config: RetrainConfig,
    images: ImageSource,
    data_digest: str,
    observer: Observer,
    device: torch.device,
    folder: Path,
    resume_from: Path | None,
    world: World,
    cache: Path | None,
    execution: Execution | None,
    evaluate: Evaluate | None,
    start: StartingPoint | None,
) -> TrainingResult:
    # ── Networks, optimizers and counters: new, or from the checkpoint ──
    settings = config.training
    state = new_state(config, device)
    if settings.synchronise_batch_norm and world.size > 1:
        synchronise_batch_norms(state.generator, world)
    if resume_from is not None:
        load_checkpoint(resume_from, state, config, data_digest)
    elif start is not None:
        start_from(state, start)
    if execution is None:
        left = (settings.generator_steps - state.generator_steps) * settings.n_critic
        execution = choose_execution(config, device, world, left, state.precision, cache)
    logger.info("Training on %s: %s", device, execution.described())
    state.precision = execution.precision
    order = DataOrder(images.count, settings.batch_size, settings.seed, world)
    inputs = StepInputs(config, RealBatches(images, order, device), device, world)
    steps = StepRunner(state, objective_of(settings), inputs, execution, world)

    # ── Algorithm 1 ──
    callbacks = Callbacks(config, data_digest, observer, state, device, folder, resume_from, world, evaluate)
    callbacks.on_resume()
    while state.generator_steps < settings.generator_steps and not callbacks.ended_early:
        for optimizer in (state.critic_optimizer, state.generator_optimizer):
            set_learning_rate(optimizer, learning_rate_at(state.generator_steps, settings))
        for _ in range(critic_steps_before(state.generator_steps, settings)):
            measured = steps.critic(state.critic_steps)
            state.critic_steps += 1
        asked = observer.should_stop()
        inputs.ask_to_stop(asked)
        measured |= steps.generator(state.generator_steps)
        state.generator_steps += 1
        if state.average is not None:
            update_average(state.average, state.generator, settings.ema_decay, state.generator_steps)
        state.history.append(measured)
        if callbacks.after_step(stop=asked if world.size == 1 else bool(inputs.stop.item() > 0)):
            break
    return callbacks.result(execution)
