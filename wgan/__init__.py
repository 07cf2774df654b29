"""Trains, judges, registers and promotes a Wasserstein GAN. The library does not depend on Prefect."""

__version__ = "0.1.0"
