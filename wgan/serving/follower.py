"""Follow the registry in a thread: poll, roll out, swap, and say what is stale and why."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from wgan.errors import WganError
from wgan.serving.loading import load_from_registry, verify
from wgan.serving.metrics import Metrics
from wgan.serving.model_cache import ModelCache, model_cache
from wgan.serving.models import CHALLENGER, LoadedModel, ServedModels
from wgan.serving.registry import DownloadStopped, NotRegistered, RegistryClient, RegistryVersion
from wgan.settings import Settings

LONGEST_PAUSE = 60.0
"""Seconds: where the back-off ends."""
JITTER = 0.2
"""Pauses are longer or shorter by up to this share, so that many servers do not ask at once."""

log = logging.getLogger("wgan.serving")


@dataclass(frozen=True)
class FollowedAlias:
    """What is known of one alias."""

    alias: str
    wanted: int | None = None
    """Version the registry last named; None: not known, or there is none."""
    failures: int = 0
    """Roll-outs of the wanted version that failed."""
    reason: str | None = "the registry has not answered yet."
    """Why what is served may not be what the registry says; None: it is."""
    retry_at: float = 0.0
    """Monotonic seconds before which a failed roll-out is not tried again."""


class Follower(threading.Thread):
    """Keeps the served models up to date. `models` and `following` may be read by any thread at any time."""

    def __init__(self, model: str, alias: str, settings: Settings, metrics: Metrics) -> None:
        super().__init__(name="follower")
        self.model = model
        self.settings = settings
        self.metrics = metrics
        self.disk: ModelCache = model_cache(settings.cache, model)
        self.models = ServedModels(alias)
        beside = settings.serve_challenger != "off" and alias != CHALLENGER
        self.following = {name: FollowedAlias(name) for name in (alias, *([CHALLENGER] if beside else []))}
        self.registry_failures = 0
        """Looks at the registry in a row without an answer."""
        self.last_answer: float | None = None
        """Monotonic seconds of the registry's last answer."""
        self.reader = RegistryClient(settings)
        self._wake = threading.Event()
        self._ended = threading.Event()

    def poll_now(self) -> None:
        """Look at the registry now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread soon; a download in progress is given up."""
        self._ended.set()
        self._wake.set()

    def run(self) -> None:
        """The thread's work: the last good model from the disk, then the registry, again and again."""
        for alias in self.following:
            self._restore(alias)
        while not self._ended.is_set():
            try:
                self.poll()
            except Exception:  # whatever happens, what is served goes on being served
                log.exception("following the registry failed")
                self.registry_failures += 1
            self._wake.wait(self.pause())
            if self._wake.is_set():
                self._wake.clear()
                self.following = {name: replace(entry, retry_at=0.0) for name, entry in self.following.items()}
        self.reader.close()

    def pause(self) -> float:
        """Seconds until the next look: the configured ones, doubled for every failure in a row, with jitter."""
        return self._backed_off(self.registry_failures) * random.uniform(1 - JITTER, 1 + JITTER)

    def poll(self) -> None:
        """Ask the registry for every alias, and roll out what is new. For the thread, and for tests."""
        for alias in list(self.following):
            if self._ended.is_set():
                return
            try:
                wanted = self.reader.find(self.model, alias)
            except NotRegistered as error:
                self._answered()
                self._absent(alias, str(error))
                continue
            except WganError as error:
                self.registry_failures += 1
                self.metrics.failed_polls.inc()
                self._note(alias, reason=str(error))
                if self.registry_failures == 1:
                    log.warning("the registry does not answer", extra={"fields": {"reason": str(error)}})
                continue
            self._answered()
            self._want(alias, wanted)

    def _answered(self) -> None:
        self.registry_failures = 0
        self.last_answer = time.monotonic()

    def _absent(self, alias: str, reason: str) -> None:
        if alias == CHALLENGER and alias != self.models.alias:  # there need not be one
            self._note(alias, wanted=None, failures=0, reason=None)
            self._swap(alias, None)
        else:
            if self.following[alias].reason != reason:
                log.warning("there is nothing to serve", extra={"fields": {"alias": alias, "reason": reason}})
            self._note(alias, wanted=None, failures=0, reason=reason)

    def _want(self, alias: str, wanted: RegistryVersion) -> None:
        state = self.following[alias]
        if _same(self.models.under(alias), wanted):
            self._note(alias, wanted=wanted.version, failures=0, reason=None)
            return
        if state.wanted != wanted.version:
            state = self._note(
                alias, wanted=wanted.version, failures=0, retry_at=0.0, reason="a new version is coming."
            )
        if time.monotonic() < state.retry_at:
            return
        started = time.monotonic()
        try:
            stopped = self._ended.is_set if alias == self.models.alias else self._champion_comes_first()
            model = self._loaded(wanted) or load_from_registry(wanted, self.reader, self.disk, self.settings, stopped)
            self.disk.set_last_good(alias, wanted)
        except DownloadStopped:
            self._wake.set()  # for what comes first; then this one again
            return
        except (WganError, OSError) as error:
            self._refused(alias, wanted, f"{error}")
            return
        except Exception as error:  # a defect must not end the serving of the old model
            log.exception("a roll-out failed unexpectedly")
            self._refused(alias, wanted, f"{type(error).__name__}: {error}")
            return
        self._swap(alias, model)
        self.metrics.reloads.labels(alias).inc()
        self._note(alias, failures=0, reason=None)
        seconds = round(time.monotonic() - started, 3)
        log.info(
            "version in service",
            extra={
                "fields": {
                    "alias": alias,
                    "version": wanted.version,
                    "seconds": seconds,
                    "batch_sizes": model.engine.batch_sizes,
                }
            },
        )

    def _champion_comes_first(self) -> Callable[[], bool]:
        """Whether the challenger's download should be given up: at the end, or for another version to follow."""
        looked = time.monotonic()

        def asked() -> bool:
            nonlocal looked
            if self._ended.is_set() or time.monotonic() - looked < self.settings.serve_poll_seconds:
                return self._ended.is_set()
            looked = time.monotonic()
            try:
                wanted = self.reader.find(self.model, self.models.alias)
            except WganError:  # the next look tells it
                return False
            return wanted.version != self.following[self.models.alias].wanted

        return asked

    def _refused(self, alias: str, wanted: RegistryVersion, reason: str) -> None:
        if self._ended.is_set():
            return
        failures = self.following[alias].failures + 1
        self.metrics.failed_reloads.labels(alias).inc()
        log.error(
            "roll-out failed",
            extra={"fields": {"alias": alias, "version": wanted.version, "failures": failures, "reason": reason}},
        )
        self._note(alias, failures=failures, reason=reason, retry_at=time.monotonic() + self._backed_off(failures))

    def _restore(self, alias: str) -> None:
        """Serve the last good model of the disk, before the registry is asked."""
        try:
            version = self.disk.last_good(alias)
            model = (
                None
                if version is None
                else self._loaded(version) or verify(version, self.disk.of(version), self.settings)
            )
        except WganError as error:
            log.warning("no model from the disk", extra={"fields": {"alias": alias, "reason": str(error)}})
            return
        if model is not None:
            self._swap(alias, model)
            log.info("version from the disk", extra={"fields": {"alias": alias, "version": model.version.version}})

    def _loaded(self, version: RegistryVersion) -> LoadedModel | None:
        """The same version under the other alias, as after a promotion of the challenger."""
        for model in (self.models.main, self.models.challenger):
            if _same(model, version):
                return model
        return None

    def _swap(self, alias: str, model: LoadedModel | None) -> None:
        """Replace one reference; say when the last request of the old model has been answered."""
        old = self.models.under(alias)
        if old is model:
            return
        self.models = (
            replace(self.models, main=model) if alias == self.models.alias else replace(self.models, challenger=model)
        )
        for entry, present in ((old, 0), (model, 1)):
            if entry is not None:
                labels = (self.model, alias, str(entry.version.version), entry.record.onnx_sha256)
                if present:
                    self.metrics.model.labels(*labels).set(1)
                else:
                    self.metrics.model.remove(*labels)
        if old is not None and old not in (self.models.main, self.models.challenger):
            old.retire(_drained(alias, old.version.version))

    def _note(self, alias: str, **changes: object) -> FollowedAlias:
        state = replace(self.following[alias], **changes)  # type: ignore[arg-type]
        self.following = {**self.following, alias: state}
        self.metrics.stale.labels(alias).set(0 if state.reason is None else 1)
        return state

    def _backed_off(self, failures: int) -> float:
        # 16: past it the pause has long reached its end, and a power of a large number does not fit a float
        return min(
            self.settings.serve_poll_seconds * 2.0 ** min(failures, 16),
            max(LONGEST_PAUSE, self.settings.serve_poll_seconds),
        )


def _same(model: LoadedModel | None, version: RegistryVersion) -> bool:
    return model is not None and (model.version.version, model.version.source) == (version.version, version.source)


def _drained(alias: str, version: int) -> Callable[[], None]:
    return lambda: log.info("version drained", extra={"fields": {"alias": alias, "version": version}})
