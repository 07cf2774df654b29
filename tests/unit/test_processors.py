"""The processors that this process may use, not those of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wgan import processors
from wgan.processors import usable_processors

NAMES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


def control_group(monkeypatch: pytest.MonkeyPatch, folder: Path, own: str, files: dict[str, str]) -> None:
    """Simulate these control groups on a machine of 64 processors."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "own").write_text(own)
    monkeypatch.setattr(processors, "CGROUPS", folder)
    monkeypatch.setattr(processors, "OWN_CGROUPS", folder / "own")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)


def test_without_limits_all_processors_are_usable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    control_group(monkeypatch, tmp_path, "0::/\n", {"cpu.max": "max 100000\n"})
    assert usable_processors() == processors.Processors(64, "all 64 of the machine")


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),  # a container sees its own group as the root
        ("0::/pod/trainer\n", {"pod/cpu.max": "150000 100000\n", "pod/trainer/cpu.max": "max 100000\n"}, 2),
        ("0::/a\n", {"a/cpu.max": "5000 100000\n"}, 1),
        ("4:cpu,cpuacct:/a\n", {f"cpu,cpuacct/a/{NAMES[0]}": "300000\n", f"cpu,cpuacct/a/{NAMES[1]}": "100000\n"}, 3),
        ("4:cpu,cpuacct:/docker/f00\n", {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("3:memory:/a\n", {"memory/a/cpu.max": "100000 100000"}, 64),
    ],
)  # fmt: skip
def test_a_quota_of_a_control_group_counts(
    own: str, files: dict[str, str], count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    control_group(monkeypatch, tmp_path, own, files)
    found = usable_processors()
    assert found.count == count
    assert ("quota" in found.origin) == (count < 64)


def test_an_affinity_counts_under_taskset() -> None:
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs taskset and two processors")
    first = str(min(os.sched_getaffinity(0)))
    program = "from wgan.processors import usable_processors; print(usable_processors())"
    environment = {**os.environ, "PYTHONPATH": str(Path(processors.__file__).parents[1])}
    done = subprocess.run(
        ["taskset", "-c", first, sys.executable, "-c", program],
        capture_output=True, text=True, check=True, timeout=60, env=environment,
    )  # fmt: skip
    assert done.stdout.startswith("Processors(count=1, origin='the affinity of this process, of ")


@pytest.mark.parametrize(("omp", "threads"), [(None, 1), ("2", 2)])
def test_torch_starts_no_more_threads_than_usable_processors(
    omp: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from wgan.training import device

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if omp is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", omp)
    monkeypatch.setattr(device, "usable_processors", lambda: processors.Processors(1, "a quota"))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)  # what torch reads from OMP_NUM_THREADS at its start
        device.limit_threads()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
