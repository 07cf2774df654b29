"""How good a generator is, with intervals, and whether it may replace the one in production.

`measure` compares generated with real images through a feature extractor (`extractors`: `classifier`, `pixels`,
`imagenet_lite`, `inception`) under a fixed protocol; each metric has its file (`frechet`, `kernel`, `prdc`, `sliced`,
`modes`, `memorisation`) and is listed in `metrics`. `reference` is the real side, kept in S3 by `reference_cache`;
`bounds` says between which numbers a generator's lie. `gate` decides on the paired intervals (`intervals`), `summary`
writes both down for people. `gate` and `summary` do without torch.
"""
