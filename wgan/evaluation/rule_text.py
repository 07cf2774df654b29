"""How the gate's reasons name metrics and write intervals."""

from __future__ import annotations

TITLES = {"fid": "FID", "recall": "Recall", "coverage": "Coverage", "modes": "Modes"}
"""The metrics that the gate judges."""


def confidence_text(low: float, high: float, confidence: float) -> str:
    """`95 % CI 7.5 to 10.2`."""
    return f"{100 * confidence:.3g} % CI {low + 0.0:.3g} to {high + 0.0:.3g}"  # + 0.0: no negative zero
