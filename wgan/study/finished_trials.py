"""Finished trials of a study in S3: a resumed study repeats none of them, not even within a claim."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from wgan.errors import ObjectMissing
from wgan.evaluation.reference_cache import read_own, write_own
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.storage.signing import NotSigned
from wgan.study.trials import ImageTrial, Trial, TrialResult

log = logging.getLogger(__name__)

FORMAT = 1
"""Increased whenever a trial or its result is stored differently."""
HISTORY, SAMPLES, REST = "history ", "samples ", "rest"


@dataclass(frozen=True)
class FinishedTrials:
    """The trials of one flow run, one object each; housekeeping removes them as it removes evaluation caches."""

    flow_run_id: str
    settings: Settings
    storage: Storage

    def load(self, trial: Trial) -> TrialResult | None:
        """The stored result; None if there is none, or, with a warning, if it is not as this pipeline wrote it."""
        key = self._key(trial)
        try:
            return unpack(read_own(key, self.settings, self.storage), trial)
        except ObjectMissing:
            return None
        except (NotSigned, BadZipFile, ValueError, KeyError, OSError) as error:
            log.warning("%s is ignored (%s): the trial is repeated.", self.storage.uri(key), error)
            return None

    def keep(self, result: TrialResult) -> None:
        """Store the result atomically."""
        write_own(self._key(result.trial), pack(result), self.settings, self.storage)

    def _key(self, trial: Trial) -> str:
        return f"{self.settings.evaluation_prefix}/study-{FORMAT}/{trial_digest(trial)}/{self.flow_run_id}.npz"


def trial_digest(trial: Trial) -> str:
    """SHA-256 (hex) of the trial's description, without the folder that its images happen to be in."""
    described = replace(trial, folder=Path()) if isinstance(trial, ImageTrial) else trial
    values = {name: value for name, value in vars(described).items() if name != "training"}
    text = json.dumps({"kind": type(trial).__name__, **values}, default=str, sort_keys=True)
    return hashlib.sha256((text + trial.training.model_dump_json()).encode()).hexdigest()


def pack(result: TrialResult) -> bytes:
    """The result without its trial, as an npz."""
    arrays: dict[str, Any] = {HISTORY + name: column for name, column in result.history.items()}
    arrays |= {f"{SAMPLES}{step}": samples for step, samples in result.samples.items()}
    rest = {
        "curves": result.curves,
        "clip_share": result.clip_share,
        "diverged": result.diverged,
        "cpu_seconds": result.cpu_seconds,
    }
    arrays[REST] = np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack(data: bytes, trial: Trial) -> TrialResult:
    """The packed result of the trial. Raises what numpy and zipfile raise if it is damaged."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        rest = json.loads(file[REST].tobytes())
        history = {name.removeprefix(HISTORY): file[name] for name in file.files if name.startswith(HISTORY)}
        samples = {int(name.removeprefix(SAMPLES)): file[name] for name in file.files if name.startswith(SAMPLES)}
    return TrialResult(
        trial,
        history=history,
        curves={int(step): values for step, values in rest["curves"].items()},
        samples=samples,
        clip_share=rest["clip_share"],
        diverged=rest["diverged"],
        cpu_seconds=rest["cpu_seconds"],
    )
