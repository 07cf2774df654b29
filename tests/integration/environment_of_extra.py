"""An environment with exactly the packages of one extra of a distribution, quickly made of links."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def environment_of_extra(distribution: str, extra: str, folder: Path) -> Path:
    """Make a virtual environment in the folder; returns its Python. The extra "" is the distribution without any.

    What pip would install for the extra is found as pip finds it: by what each distribution says it requires.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    wanted = {canonicalize_name(name) for name in (distribution, *required(distribution, extra))}
    installed = {}
    for found in metadata.distributions():  # of two with one name, Python takes the first
        installed.setdefault(canonicalize_name(found.name), found)
    owners: dict[str, set[str]] = {}
    for name, found in installed.items():
        for file in found.files or ():
            owners.setdefault(file.parts[0], set()).add(name)
    for name in wanted:
        for file in installed[name].files or ():
            if file.parts[0] == "..":  # programs
                continue
            # A folder may be shared with distributions that are not wanted here: then file by file.
            _link(installed[name], Path(file.parts[0] if owners[file.parts[0]] <= wanted else file), packages)
    return folder / "bin" / "python"


def required(distribution: str, extra: str) -> set[str]:
    """Names of what pip installs with the distribution and its extra."""
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


def _link(distribution: metadata.Distribution, path: Path, packages: Path) -> None:
    place = packages / path
    if not place.is_symlink():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(Path(str(distribution.locate_file(path))))
