"""Turns files into a loaded model: verified once, in a separate process, then opened here.

Verification checks the digest, loads the graph, warms up every batch size and generates the recorded sample again. The
result is stored beside the files, for this kind of machine, so that a restart need not repeat it.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnxruntime
from pydantic import BaseModel, ValidationError

from wgan.errors import WganError
from wgan.file_digest import file_sha256
from wgan.model_version.record import RECORD_FILE, VersionRecord
from wgan.serving.download import GRAPH_FILE
from wgan.serving.engine import Engine, check_sample, load_engine, verify_batch_sizes
from wgan.serving.faults import VersionFault
from wgan.serving.models import LoadedModel
from wgan.serving.registry import RegistryVersion
from wgan.settings import Settings

SAMPLE_TOLERANCE = 1e-3
"""Largest pixel difference from the recorded sample, range [-1, 1]: an eighth of a grey level, as for the export."""
VERIFIED_FILE = "verified.json"
CPU_FACTS = ("model name", "flags", "Features", "CPU part")
"""Lines of /proc/cpuinfo that determine which kernels ONNX Runtime uses."""


class Verified(BaseModel):
    """The result of verifying a version, and where it is valid."""

    onnx_sha256: str
    batch_sizes: tuple[int, ...]
    max_batch: int
    machine: str
    """Differs between machines on which the same graph might add in a different order."""


@dataclass(frozen=True)
class VersionFiles:
    """The files of one version in a folder."""

    version: RegistryVersion
    folder: Path

    @property
    def name(self) -> str:
        """`models:/NAME/VERSION`."""
        return f"models:/{self.version.model}/{self.version.version}"

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / GRAPH_FILE

    def record(self) -> VersionRecord:
        """The version's record. Raises `VersionFault` if it is not readable."""
        try:
            content = (self.folder / RECORD_FILE).read_bytes()
        except OSError as error:
            raise WganError(f"the record of {self.name} cannot be read ({error.strerror}).") from None
        try:
            return VersionRecord.model_validate_json(content)
        except ValidationError:
            raise VersionFault(f"{self.name} has no record this code can read.") from None

    def check_digest(self, record: VersionRecord) -> None:
        """Raises `VersionFault` if the graph is not the registered one."""
        try:
            found = file_sha256(self.graph)
        except OSError as error:
            raise WganError(f"the ONNX graph of {self.name} cannot be read ({error.strerror}).") from None
        if found != record.onnx_sha256:
            raise VersionFault(
                f"the ONNX graph of {self.name} is damaged: its SHA-256 is {found[:12]}…, "
                f"registered was {record.onnx_sha256[:12]}…."
            )


def verify(files: VersionFiles, settings: Settings, duty: float = 1.0) -> Verified:
    """Check the digest, load, warm up every batch size, generate the recorded sample again. Raises `VersionFault`.

    `duty` is the share of time spent computing: less than 1 leaves CPU time for the model being served.
    """
    record = files.record()
    files.check_digest(record)
    engine = load_engine(files.graph, settings.serve_threads)
    engine = verify_batch_sizes(engine, settings.serve_max_batch, duty=duty)
    _check_sample(engine, files.folder, record, duty)
    return Verified(
        onnx_sha256=record.onnx_sha256,
        batch_sizes=engine.batch_sizes,
        max_batch=settings.serve_max_batch,
        machine=machine(settings.serve_threads),
    )


def open_verified(files: VersionFiles, verified: Verified, settings: Settings) -> LoadedModel:
    """Load a verified version into this process and warm it up. Raises `WganError`."""
    record = files.record()
    files.check_digest(record)
    if record.onnx_sha256 != verified.onnx_sha256:
        raise WganError(f"the graph of {files.name} is not the one that was verified.")
    engine = Engine(load_engine(files.graph, settings.serve_threads).generator, verified.batch_sizes)
    for size in verified.batch_sizes:
        engine.generator.decode(np.zeros((size, engine.latent_dim), np.float32))
    return LoadedModel(files.version, record, engine, datetime.now(UTC))


def read_verified(folder: Path, settings: Settings) -> Verified | None:
    """The stored verification, if it is valid for this process's settings and machine."""
    try:
        found = Verified.model_validate_json((folder / VERIFIED_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    holds = (found.max_batch, found.machine) == (settings.serve_max_batch, machine(settings.serve_threads))
    return found if holds and found.batch_sizes[:1] == (1,) else None


@cache
def machine(threads: int) -> str:
    """A digest of what determines the order of a graph's additions: processor, libraries, threads."""
    facts = [platform.machine(), platform.processor(), onnxruntime.__version__, np.__version__, str(threads)]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    facts += sorted({line for line in lines if line.startswith(CPU_FACTS)})
    return sha256("\n".join(facts).encode()).hexdigest()[:16]


def _check_sample(engine: Engine, folder: Path, record: VersionRecord, duty: float) -> None:
    dataset = record.evaluation.training.dataset
    expected = (dataset.channels, dataset.image_size, dataset.image_size)
    if engine.image_shape != expected:
        raise VersionFault(f"the model draws images {engine.image_shape} (C, H, W), its data set has {expected}.")
    try:
        config = json.loads((folder / "config.json").read_text())
        seed = int(config["sample_seed"])
        sample = np.load(folder / "sample.npy", allow_pickle=False)
    except OSError as error:
        raise WganError(f"the version's recorded sample cannot be read ({error.strerror}).") from None
    except Exception:  # a malformed header can raise anything in numpy
        raise VersionFault("the version's recorded sample cannot be read.") from None
    check_sample(engine, sample, seed, SAMPLE_TOLERANCE, duty)
