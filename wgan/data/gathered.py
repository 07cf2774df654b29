"""What a source has yielded besides the pixels: labels, held-out positions, bad files, remarks, origins."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from wgan.data.decoded import Decoded
from wgan.data.manifest import BadFile
from wgan.data.origins import write_origins
from wgan.data.source import CountedFiles


@dataclass(frozen=True)
class Gathered:
    """So far; runs of images are added in the order of the data set."""

    origins: TextIO
    """Where the files of the good images are written to."""
    labels: array[int] = field(default_factory=lambda: array("q"))
    held_out: array[int] = field(default_factory=lambda: array("q"))
    """Positions among the good images."""
    bad: list[BadFile] = field(default_factory=list)
    remarks: CountedFiles = field(default_factory=CountedFiles)
    copies: CountedFiles = field(default_factory=CountedFiles)
    """Left out by data.deduplicate."""

    @property
    def files(self) -> int:
        """How many were read, good and bad."""
        return len(self.labels) + len(self.bad)

    def add(self, run: Decoded, held_out: Iterable[int]) -> None:
        """Add the next run; `held_out` counts from its first good image. Its pixels are not looked at."""
        start = len(self.labels)
        self.held_out.extend(start + row for row in held_out)
        self.labels.extend(run.labels)
        self.bad.extend(BadFile(name=name, reason=reason) for name, reason in run.bad)
        for name, remark in run.remarks:
            self.remarks.add(remark, name)
        write_origins(self.origins, run.origins)
