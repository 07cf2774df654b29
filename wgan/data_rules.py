"""The rules for a data set: what the data report may find before the run warns, or refuses to train.

Each field limits one finding of the report; `wgan.data_report.judgement` applies them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wgan.config_model import ConfigModel

Share = Annotated[float, Field(ge=0, le=1)]
Least = Annotated[int, Field(ge=1)]

ExactCopies = Annotated[Share | None, Field(description="Share of images with the same pixels as another, at most.")]
NearCopies = Annotated[
    Share | None,
    Field(description="Share of images that are another one encoded, resized or exposed differently, at most."),
]
HeldOutCopies = Annotated[
    Share | None, Field(description="Share of held-out images that are copies of training images, at most.")
]
Dark = Annotated[Share | None, Field(description="Share of dark images, at most.")]
Bright = Annotated[Share | None, Field(description="Share of overexposed images, at most.")]
Blank = Annotated[Share | None, Field(description="Share of images that show nothing, at most.")]
Blurred = Annotated[Share | None, Field(description="Share of blurred images, at most.")]
Tiny = Annotated[Share | None, Field(description="Share of images that had to be enlarged, at most.")]
Elongated = Annotated[
    Share | None, Field(description="Share of images with one side at least three times the other, at most.")
]
Grey = Annotated[Share | None, Field(description="Share of grey images in a data set in colour, at most.")]
ClassImages = Annotated[
    Least | None, Field(description="Training images of each class, at least; ignored without labels.")
]
Unlike = Annotated[
    Share | None, Field(description="Share of images that are unlike all of the champion's data, at most.")
]
Drift = Annotated[
    Annotated[float, Field(ge=1)] | None,
    Field(
        description="Fréchet distance from the champion's data, in multiples of that between two halves of it, at most."
    ),
]
Champion = Annotated[
    Annotated[float, Field(ge=1)] | None,
    Field(
        description="Fréchet distance of the champion's samples from the data, in multiples of that from its own data, "
        "at most; measured by a drift watch."
    ),
]


class Limits(ConfigModel):
    """One limit per finding; None: no limit."""

    exact_copies: ExactCopies = None
    near_copies: NearCopies = None
    held_out_copies: HeldOutCopies = None
    dark: Dark = None
    bright: Bright = None
    blank: Blank = None
    blurred: Blurred = None
    tiny: Tiny = None
    elongated: Elongated = None
    grey: Grey = None
    class_images: ClassImages = None
    unlike: Unlike = None
    drift: Drift = None
    champion: Champion = None


class Warnings(Limits):
    """The same with limits that ordinary data keeps."""

    exact_copies: ExactCopies = 0.02
    near_copies: NearCopies = 0.05
    held_out_copies: HeldOutCopies = 0.02
    dark: Dark = 0.05
    bright: Bright = 0.05
    blank: Blank = 0.01
    blurred: Blurred = 0.1
    tiny: Tiny = 0.1
    elongated: Elongated = 0.05
    grey: Grey = 0.2
    class_images: ClassImages = 10
    unlike: Unlike = 0.05
    drift: Drift = 2.0
    champion: Champion = 1.5


class DataRules(ConfigModel):
    """The limits from which a run warns, and those from which it refuses to train."""

    warn: Warnings = Field(default_factory=Warnings, description="Limits beyond which the run warns and goes on.")
    refuse: Limits = Field(default_factory=Limits, description="Limits beyond which nothing is trained.")
