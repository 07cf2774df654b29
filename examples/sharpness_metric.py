"""A custom metric: how sharp the generated images are.

    WGAN_PLUGINS=sharpness_metric PYTHONPATH=examples wgan retrain --preset digits \
        --set 'evaluation.metrics=["sharpness_metric:sharpness"]'
"""

from __future__ import annotations

import numpy as np

from wgan.evaluation.metrics.custom import MetricSample


def sharpness(sample: MetricSample) -> float:
    """Mean absolute difference of neighbouring pixels, in grey levels."""
    pixels = sample.images.astype(np.float32)
    return float((np.abs(np.diff(pixels, axis=2)).mean() + np.abs(np.diff(pixels, axis=3)).mean()) / 2)
