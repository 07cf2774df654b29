"""The training stage: Algorithm 1 of the Wasserstein GAN paper. Needs only torch, numpy and the configuration.

In a notebook, call `train(config, ArrayImages(pixels))`, then `load_generator` and `generate_images`.
"""

from wgan.training.callbacks import Observer, TrainingResult
from wgan.training.checkpoint import load_generator
from wgan.training.loop import train
from wgan.training.networks import ImageGenerator
from wgan.training.notebook import ArrayImages, PrintObserver
from wgan.training.objectives import Objective
from wgan.training.sampling import generate_images

__all__ = [
    "ArrayImages",
    "ImageGenerator",
    "Objective",
    "Observer",
    "PrintObserver",
    "TrainingResult",
    "generate_images",
    "load_generator",
    "train",
]
