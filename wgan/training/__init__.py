"""The training stage: Algorithm 1 of the Wasserstein GAN paper; needs only torch, numpy and the configuration."""
