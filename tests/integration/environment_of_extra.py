"""An environment with what one extra of a distribution brings and nothing else, in a moment: links to what is here."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def environment_of_extra(distribution: str, extra: str, folder: Path) -> Path:
    """Make a virtual environment in the folder; returns its Python.

    What pip would install for the extra is found as pip finds it: by what each distribution says it requires.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in {distribution, *_required(distribution, extra)}:
        _link(metadata.distribution(name), packages)
    return folder / "bin" / "python"


def _required(distribution: str, extra: str) -> set[str]:
    found: set[str] = set()
    waiting = [(distribution, extra)]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": wanted}):
                continue
            found.add(requirement.name)
            needs = {(requirement.name, each) for each in ("", *requirement.extras)} - seen
            seen |= needs
            waiting += needs
    return found


def _link(distribution: metadata.Distribution, packages: Path) -> None:
    """Link each file, in folders of the environment's own: some are shared by several distributions."""
    for file in distribution.files or ():
        if file.parts[0] == "..":  # programs
            continue
        place = packages / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(Path(file.locate()))
