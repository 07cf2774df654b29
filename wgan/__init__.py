"""Trains, judges, registers and promotes a Wasserstein GAN. This library does not import Prefect."""

__version__ = "0.1.0"
