"""How many processors this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Processors:
    """A number of processors, and what limits it."""

    count: int
    origin: str
    """What limits them, as text: the machine, the affinity, or a control group's quota."""


def usable_processors() -> Processors:
    """The smallest of: the machine's processors, this process's affinity (`taskset`), its control groups' CPU quota.

    The quota of a container or a systemd unit is in units of CPU time: 1.5 counts as 2, since half a processor would
    otherwise be idle.
    """
    machine = os.cpu_count() or 1
    found = Processors(machine, f"all {machine} of the machine")
    if hasattr(os, "sched_getaffinity"):  # Linux
        allowed = len(os.sched_getaffinity(0))
        if allowed < found.count:
            found = Processors(allowed, f"the affinity of this process, of {machine} on the machine")
    for quota in _quotas():
        if math.ceil(quota) < found.count:
            found = Processors(max(1, math.ceil(quota)), f"a control group's quota of {quota:g} processors")
    return found


def _quotas() -> list[float]:
    """Every quota in force, in processors: the control group's own and those of its ancestors."""
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return []
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found = [_version_2(folder) for folder in _upwards(CGROUPS, path)]
        elif "cpu" in controllers.split(","):
            roots = (CGROUPS / controllers, CGROUPS / "cpu")
            found = [_version_1(folder) for root in roots if root.is_dir() for folder in _upwards(root, path)]
        else:
            continue
        quotas += [quota for quota in found if quota is not None]
    return quotas


def _upwards(root: Path, path: str) -> list[Path]:
    """The folder of a control group and those above it; a container sees only the root."""
    folder = root / path.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _version_2(folder: Path) -> float | None:
    quota, _, period = _content(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _version_1(folder: Path) -> float | None:
    quota, period = _content(folder / "cpu.cfs_quota_us"), _content(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _content(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
