"""The claims of the Wasserstein GAN paper, each tested by a small experiment with a criterion fixed in advance."""
