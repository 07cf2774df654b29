"""The section `promotion`: the gate, and the way from there to production."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from wgan.config_model import ConfigModel


class CanaryConfig(ConfigModel):
    """The canary: a challenger draws a share of the requests for some time, and is compared with the champion."""

    percent: float = Field(10.0, gt=0, le=100, description="Share of the requests that the challenger draws, percent.")
    minutes: float = Field(30.0, gt=0, le=10080, description="How long at least, in minutes.")
    longest_minutes: float = Field(
        120.0, gt=0, le=10080, description="How long at most, in minutes: it waits so long for enough requests."
    )
    min_requests: int = Field(200, ge=1, description="Requests that each side must have drawn for a decision.")
    quantile: float = Field(0.9, gt=0, lt=1, description="Quantile of the latency that is compared.")
    latency_factor: float = Field(
        1.5, ge=1, description="The challenger's quantile may be at most so many times the champion's."
    )
    confidence: float = Field(0.99, gt=0.5, lt=1, description="Of the bounds and of the test of failures, one-sided.")
    undecided: Literal["refuse", "promote"] = Field(
        "refuse", description="What happens to a challenger that is neither worse nor good enough at the end."
    )

    @model_validator(mode="after")
    def _ends_after_its_minutes(self) -> Self:
        if self.longest_minutes < self.minutes:
            raise ValueError(
                f"promotion.canary.longest_minutes={self.longest_minutes:g} is not allowed: it must be at least "
                f"promotion.canary.minutes={self.minutes:g}"
            )
        return self


class PromotionConfig(ConfigModel):
    """The gate: what 'really better' means, and what may not get worse; and the way from there to production."""

    fid_margin: float = Field(
        0.0, ge=0, description="The Fréchet distance must fall by more than this (paired interval)."
    )
    recall_margin: float = Field(0.05, ge=0, le=1, description="Recall may not fall by more than this.")
    coverage_margin: float = Field(0.05, ge=0, le=1, description="Coverage may not fall by more than this.")
    modes_margin: float = Field(0.5, ge=0, description="Modes captured may not fall by more than this.")
    max_fid: float | None = Field(None, gt=0, description="First model only: Fréchet distance at most this.")
    min_recall: float = Field(0.0, ge=0, le=1, description="First model only: recall at least this.")
    min_coverage: float = Field(0.0, ge=0, le=1, description="First model only: coverage at least this.")
    min_modes: float = Field(0.0, ge=0, description="First model only: modes captured at least this.")
    beat_untrained: bool = Field(
        True,
        description="First model only: every judged metric must be better than the untrained network's (paired "
        "interval).",
    )
    approval: Literal["none", "required"] = Field(
        "none", description="Whether a person must approve a version that passed the gate."
    )
    approval_hours: float = Field(
        168.0, gt=0, le=8760, description="Hours after which a version that nobody approved is refused."
    )
    canary: CanaryConfig | None = Field(
        None, description="A share of the requests first, as {percent: 10, minutes: 30}; none: all at once."
    )
    watch_minutes: float = Field(
        0.0, ge=0, le=10080, description="Minutes after a promotion in which a fault rolls it back; 0: no watch."
    )
