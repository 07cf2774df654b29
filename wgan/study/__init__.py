"""The claims of the Wasserstein GAN paper, each tried by a small experiment with a criterion fixed beforehand."""
