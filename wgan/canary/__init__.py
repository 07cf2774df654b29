"""The canary: what serving processes counted for two versions in the same time, and what follows from it."""
