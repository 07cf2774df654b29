"""Mode collapse measured by the classes of labelled data: which ones are generated, and in what proportions.

Protocol of VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018): a classifier assigns a class to every
generated image. The papers count a class as captured if it is hit once, which only works if the classifier never errs:
given 1,024 images of nine digits, a 99 % accurate classifier calls some of them the tenth. Here a class must therefore
reach a tenth of its share in the data; `captured_share=0` counts as the papers do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CAPTURED_SHARE = 0.1
PACGAN_SAMPLES = 26_000
"""Generated images of Stacked-MNIST in the protocol of PacGAN and VEEGAN; a mode counts if hit once."""


def modes_captured(
    classes: NDArray[np.int64], class_shares: NDArray[np.float64], captured_share: float = CAPTURED_SHARE
) -> int:
    """Number of classes hit at least once and by at least `captured_share` of the images expected from real data.

    `classes` int64 (N,), values in [0, K); `class_shares` (K,) is the data's class distribution.
    """
    counts = np.bincount(classes, minlength=len(class_shares))
    return int(np.count_nonzero((counts > 0) & (counts >= captured_share * class_shares * len(classes))))


def reverse_kl(classes: NDArray[np.int64], class_shares: NDArray[np.float64]) -> float:
    """KL(generated ‖ data) of the class distributions, natural logarithm, at least 0; ln K for one of K equal modes.

    `classes` int64 (N,), values in [0, K); `class_shares` (K,) positive, sum 1. N samples of the data itself give
    about (K − 1) / 2N, not 0.
    """
    shares = np.bincount(classes, minlength=len(class_shares)) / len(classes)
    made = shares > 0
    return max(0.0, float(np.sum(shares[made] * np.log(shares[made] / class_shares[made]))))
