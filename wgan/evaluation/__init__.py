"""Measures how good a generator is, with intervals, and decides whether it may replace the one in production.

`side_by_side` compares generated with real images through a feature extractor (`extractors/`) under a fixed protocol;
each metric is a file in `metrics/`, and `metrics/compute.py` lists them. `reference` computes the real side, which
`reference_cache` caches in S3. `bounds` gives the numbers of real images and of an untrained generator. `gate` decides
on paired intervals; it needs no torch.
"""
