"""The report as a record: counts and examples, without pictures."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from wgan.records import DatasetRef, Interval, Record

DRIFT_RULES = ("drift", "unlike", "champion")
"""Rules on how far a data set has moved from the champion's."""


class Example(Record):
    """An image of a finding."""

    position: int = Field(description="In the order of the shards.")
    name: str = Field(description="Its file; `image N` where the data set does not name files.")
    like: int | None = Field(None, description="Position of the image that it is a copy of.")
    detail: str = Field(description="The measured value, in words.")


class Finding(Record):
    """Images that have something in common that may be wrong."""

    name: str = Field(description="The rule's name in `data.rules`.")
    title: str
    meaning: str = Field(description="One sentence: when an image counts.")
    count: int = Field(ge=0, description="Images.")
    among: int = Field(ge=0, description="Images that could have counted.")
    worst: tuple[Example, ...] = Field(description="The worst first.")

    @property
    def share(self) -> float:
        """Of the images that could have counted; 0 if there are none."""
        return self.count / self.among if self.among else 0.0


class Quantiles(Record):
    """The distribution of a quantity over the images."""

    least: float
    median: float
    greatest: float
    low: float = Field(description="5 % of the images have less.")
    high: float = Field(description="5 % of the images have more.")


class ClassCount(Record):
    """Images of a class."""

    name: str
    training: int
    held_out: int


class Files(Record):
    """The files that the images came from."""

    formats: dict[str, int] = Field(description="Format → images.")
    widths: Quantiles = Field(description="Pixels.")
    heights: Quantiles = Field(description="Pixels.")
    aspects: Quantiles = Field(description="The longer side over the shorter one.")
    cropped: float = Field(description="Mean share of a picture's area that was cropped away.")


class SharedImages(Record):
    """Images that are also in another data set, pixel for pixel."""

    digest: str = Field(description="The other data set.")
    shared: int = Field(description="Images of this one that are in the other.")
    new: int = Field(description="Images of this one that are not.")
    gone: int = Field(description="Images of the other one that are not in this.")


class DriftMetric(Record):
    """One measure of how far the new images are from one half of the old ones, and the other half from that one."""

    name: str
    title: str
    new: Interval = Field(description="The new images.")
    halves: Interval = Field(description="The other half of the old ones: what no drift looks like.")
    difference: Interval = Field(description="New − halves, seed by seed.")


class ClassDrift(Record):
    """A class in both data sets."""

    name: str
    before: float = Field(description="Its share of the old images.")
    after: float = Field(description="Its share of the new images.")
    unlike: float = Field(description="Share of its new images that are unlike every old image.")


class SamplesDrift(Record):
    """The Fréchet distance of a generator's samples from the new images, and from the old ones it was trained on."""

    new: Interval = Field(description="From the new images.")
    old: Interval = Field(description="From the old ones.")
    difference: Interval = Field(description="New − old, seed by seed.")

    @property
    def times(self) -> float:
        """The distance from the new images in multiples of that from the old ones."""
        return self.new.mean / max(self.old.mean, 1e-12)


class Drift(Record):
    """How far the training images are from those of an earlier data set, in the protocol's features."""

    digest: str = Field(description="The earlier data set.")
    extractor: str
    images: int = Field(description="Images of each side, for each seed.")
    seeds: int
    metrics: tuple[DriftMetric, ...]
    classes: tuple[ClassDrift, ...] = Field(description="Empty unless both data sets name the same classes.")
    samples: SamplesDrift | None = Field(None, description="Of the champion; None if they were not drawn.")

    @property
    def times(self) -> float:
        """The Fréchet distance of the new images in multiples of that of two halves of the old ones."""
        fid = next(metric for metric in self.metrics if metric.name == "fid")
        return fid.new.mean / max(fid.halves.mean, 1e-12)


class Broken(Record):
    """A limit that is exceeded."""

    rule: str = Field(description="Its name in the configuration.")
    refuses: bool = Field(description="Whether nothing may be trained, or the run only warns.")
    reason: str = Field(description="One sentence: what was found, and the limit.")


class Acceptance(Record):
    """Somebody's decision to train on a data set that the rules refuse."""

    digest: str
    reason: str
    time: datetime
    flow_run_id: str | None = None


class DataReport(Record):
    """The report on a prepared data set."""

    dataset: DatasetRef
    classes: tuple[ClassCount, ...] = Field(description="Empty without labels.")
    files: Files | None = Field(description="None where the data set does not name files.")
    findings: tuple[Finding, ...]
    compared_with: SharedImages | None = Field(None, description="None if it was not compared.")
    drift: Drift | None = Field(None, description="None if it was not compared, or has too few images.")
    broken: tuple[Broken, ...] = Field((), description="The limits that are exceeded.")
    accepted: Acceptance | None = Field(None, description="Why it may be trained on although it was refused.")

    def finding(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    @property
    def moved(self) -> str | None:
        """How the data set has moved from the champion's beyond the rules on drift; None if it has not."""
        reasons = [rule.reason for rule in self.broken if rule.rule.rpartition(".")[2] in DRIFT_RULES]
        return " ".join(reasons) or None

    @property
    def refusals(self) -> tuple[Broken, ...]:
        """The limits beyond which nothing may be trained."""
        return tuple(rule for rule in self.broken if rule.refuses)
