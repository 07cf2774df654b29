"""A Wasserstein GAN, trained, judged, registered and promoted. The library; it does not know Prefect."""

__version__ = "0.1.0"
