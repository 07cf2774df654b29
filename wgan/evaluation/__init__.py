"""How good a generator is, with intervals, and whether it may replace the one in production.

`measure` compares generated with real images through a feature extractor (`extractors`: `classifier`, `pixels`) under
a fixed protocol; each metric has its file (`frechet`, `prdc`, `modes`) and is listed in `metrics`. `gate` decides on
the paired intervals (`intervals`), `summary` writes both down for people. `gate` and `summary` do without torch.
"""
