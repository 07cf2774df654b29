"""Feature extractors: how an image becomes the vector that the metrics compare."""
