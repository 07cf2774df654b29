"""Collects the class of each image, as text or a number, and turns the classes into labels."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wgan.data.source import printable
from wgan.errors import DataError

MOST_CLASSES = 10_000
"""More different values are captions or names of files, not classes."""
NO_CLASS = -1
WITHOUT_CLASSES = "none"
"""The value of data.label_column for a data set without classes."""


@dataclass(frozen=True)
class CollectedClasses:
    """The classes of images in the order of the data set, a few bytes each."""

    where: str
    """What holds the classes, for messages."""
    _codes: array[int] = field(default_factory=lambda: array("q"))
    _known: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._codes)

    def add(self, value: str | int | None) -> None:
        """The class of the next image; None if it has none. Raises `DataError` for too many different ones."""
        if value is None or value == "":
            self._codes.append(NO_CLASS)
            return
        self._codes.append(self._known.setdefault(str(value), len(self._known)))
        if len(self._known) > MOST_CLASSES:
            raise DataError(
                f"{self.where} has more than {MOST_CLASSES:,} different values, so they are no classes: "
                f"set data.label_column; {WITHOUT_CLASSES} is for no classes."
            )

    def labels(self, names: Sequence[str] | None = None) -> tuple[tuple[str, ...], array[int]]:
        """Names of the classes, and the label of each image: its class's position among the sorted classes.

        With `names`, the collected values are positions in it. No classes, and labels of -1, if an image has none.
        Raises `DataError` for a position that has no name.
        """
        if NO_CLASS in self._codes or (names is not None and str(NO_CLASS) in self._known):
            return (), array("q", [NO_CLASS]) * len(self._codes)
        if names is None:
            classes = _sorted(self._known)
            order = {self._known[value]: label for label, value in enumerate(classes)}
        else:
            positions = set(map(str, range(len(names))))
            if beyond := sorted(self._known.keys() - positions):
                raise DataError(f"{self.where} has the value {beyond[0]!r}, and {len(names)} classes are named.")
            classes, order = list(names), {code: int(value) for value, code in self._known.items()}
        return tuple(map(printable, classes)), array("q", (order[code] for code in self._codes))


def _sorted(values: Iterable[str]) -> list[str]:
    """By number if all are whole numbers, else as text."""
    try:
        return sorted(values, key=int)
    except ValueError:
        return sorted(values)
