"""Follow the registry: poll the aliases, load new versions, swap them in, and report what is stale and why."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from wgan.errors import WganError
from wgan.model_version.way import canary_percent
from wgan.serving.backoff import backed_off, jittered
from wgan.serving.faults import Fault, VersionFault
from wgan.serving.loader import Loader
from wgan.serving.metrics import Metrics
from wgan.serving.model_cache import ModelCache, model_cache
from wgan.serving.models import CHALLENGER, LoadedModel, ServedModels
from wgan.serving.registry import AliasNotSet, ModelNotRegistered, RegistryClient, RegistryVersion
from wgan.settings import Settings

OLDEST_ANSWER = 120.0
"""Seconds after which the registry's last answer has expired, whatever the reason."""
DUTY = 0.5
"""Share of time spent computing while verifying a version, if another one is being served."""

log = logging.getLogger("wgan.serving")


@dataclass(frozen=True)
class AliasStatus:
    """The known state of one alias."""

    alias: str
    wanted: int | None = None
    """The version the registry last named; None if unknown or not set."""
    failures: int = 0
    """Consecutive failed loads of the wanted version."""
    version_faults: int = 0
    """How many of the latest consecutive ones were the version's fault."""
    fault: Fault | None = None
    """Whose fault the last failure was."""
    reason: str | None = "the registry has not answered yet."
    """Why the served version may differ from the registry's; None if it does not."""
    retry_at: float = 0.0
    """Monotonic seconds before which a failed load is not retried."""


@dataclass(frozen=True)
class Load:
    """A load in progress."""

    version: RegistryVersion
    task: asyncio.Task[None]
    restores: bool
    """Whether it restores from the cache, before the registry is asked: not abandoned for another version."""


class Follower:
    """Keeps the served versions of one model up to date, in the event loop. `models` is replaced, never mutated.

    `loads` limits how many versions, over all models, are downloaded and verified concurrently.
    """

    def __init__(self, model: str, alias: str, settings: Settings, metrics: Metrics, loads: asyncio.Semaphore) -> None:
        self.model = model
        self.settings = settings
        self.metrics = metrics
        self.cache: ModelCache = model_cache(settings.cache, model)
        self.registry = RegistryClient(settings)
        self.loader = Loader(self.registry, self.cache, settings, loads)
        self.models = ServedModels(alias)
        beside = settings.serve_challenger != "off" and alias != CHALLENGER
        self.aliases = {name: AliasStatus(name) for name in (alias, *([CHALLENGER] if beside else []))}
        self.registry_failures = 0
        """Consecutive polls without a valid answer."""
        self.last_answer: float | None = None
        """Monotonic seconds of the registry's last valid answer."""
        self.cache_problem: str | None = None
        """Why a restart would not find the served version in the cache."""
        self._loads: dict[str, Load] = {}
        self._wake = asyncio.Event()
        for name in self.aliases:
            metrics.stale.labels(model, name).set_function(partial(self._is_stale, name))

    @property
    def is_first_on_its_way(self) -> bool:
        """Whether the first version under the alias is being looked up or loaded, without a failure so far."""
        status = self.aliases[self.models.alias]
        asking = self.last_answer is None and not self.registry_failures
        return not status.failures and (asking or status.wanted is not None or self.models.alias in self._loads)

    def poll_now(self) -> None:
        """Poll the registry now, and retry failed loads."""
        self.aliases = {name: replace(status, retry_at=0.0) for name, status in self.aliases.items()}
        self._wake.set()

    def stale(self, alias: str) -> str | None:
        """Why the version served under the alias may differ from the registry's; None if it does not."""
        status = self.aliases[alias]
        if status.reason is not None or self.last_answer is None:
            return status.reason
        age = time.monotonic() - self.last_answer
        if age > max(OLDEST_ANSWER, 3 * self.settings.serve_poll_seconds):
            return f"the registry's last answer is {age:.0f} s old."
        return None

    def _is_stale(self, alias: str) -> float:
        return float(self.stale(alias) is not None)

    async def run(self) -> None:
        """Load the last good model from the cache, then poll the registry until cancelled."""
        try:
            for alias in self.aliases:
                await self._restore(alias)
            while True:
                try:
                    await self.poll()
                except Exception:  # a bug must not stop the polling
                    log.exception("following the registry failed")
                try:
                    async with asyncio.timeout(self.pause()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
        finally:
            for alias in list(self._loads):
                await self._give_up(alias)
            await self.registry.close()

    def pause(self) -> float:
        """Seconds until the next poll: the configured interval, doubled for every consecutive failure, with jitter."""
        return jittered(backed_off(self.settings.serve_poll_seconds, self.registry_failures))

    async def poll(self) -> None:
        """Ask the registry for every alias, and start loading new versions."""
        for alias in self.aliases:
            try:
                wanted = await self.registry.find(self.model, alias)
            except AliasNotSet as error:
                self._answered()
                await self._absent(alias, str(error), expected=alias == CHALLENGER != self.models.alias)
            except ModelNotRegistered as error:
                self._answered()
                await self._absent(alias, str(error), expected=False)
            except WganError as error:
                self._unanswered(alias, str(error))
            except Exception as error:  # serving continues whatever happens
                log.exception("following the registry failed")
                self._unanswered(alias, f"the registry's answer was not understood ({type(error).__name__}).")
            else:
                self._answered()
                await self._want(alias, wanted)

    def _answered(self) -> None:
        self.registry_failures = 0
        self.last_answer = time.monotonic()

    def _unanswered(self, alias: str, reason: str) -> None:
        self.registry_failures += 1
        self.metrics.failed_polls.labels(self.model).inc()
        self._note(alias, reason=reason)
        if self.registry_failures == 1:
            log.warning("the registry does not answer", extra={"fields": {"model": self.model, "reason": reason}})

    async def _absent(self, alias: str, reason: str, expected: bool) -> None:
        """Handle a missing version: `expected` for a challenger, otherwise there is nothing to follow."""
        load = self._loads.get(alias)
        if load is not None and (expected or not load.restores):
            await self._give_up(alias)
        if not expected and self.aliases[alias].reason != reason:
            fields = {"model": self.model, "alias": alias, "reason": reason}
            log.warning("there is nothing to serve", extra={"fields": fields})
        self._note(alias, wanted=None, failures=0, version_faults=0, fault=None, reason=None if expected else reason)
        if expected:
            self._note_canary(None)
            self._swap(alias, None)

    async def _want(self, alias: str, wanted: RegistryVersion) -> None:
        """Serve, load or keep loading the version that the registry names."""
        if alias == CHALLENGER != self.models.alias:
            percent = canary_percent(wanted.tags)
            self._note_canary((wanted.version, percent) if percent else None)
        status, load = self.aliases[alias], self._loads.get(alias)
        if status.wanted != wanted.version:
            status = self._note(
                alias, wanted=wanted.version, failures=0, version_faults=0, fault=None, retry_at=0.0,
                reason="a new version is coming.",
            )  # fmt: skip
        if load is not None and (load.restores or _is(load.version, wanted)):
            return
        await self._give_up(alias)
        if _serves(self.models.under(alias), wanted):
            self._note(alias, failures=0, version_faults=0, fault=None, reason=None)
        elif (loaded := self._loaded(wanted)) is not None:
            await self._take_into_service(alias, loaded, time.monotonic())
        elif time.monotonic() >= status.retry_at and not self._champion_comes_first(alias):
            if alias != CHALLENGER:
                await self._give_up(CHALLENGER)
            self._begin(alias, wanted)

    def _champion_comes_first(self, alias: str) -> bool:
        return alias != self.models.alias and self.models.alias in self._loads

    def _begin(self, alias: str, version: RegistryVersion, restores: bool = False) -> None:
        task = asyncio.create_task(self._load(alias, version, restores), name=f"load {alias}")
        self._loads[alias] = Load(version, task, restores)

    async def _give_up(self, alias: str) -> None:
        """Cancel the load in progress, if there is one."""
        load = self._loads.pop(alias, None)
        if load is not None:
            load.task.cancel()
            await asyncio.wait([load.task])

    async def _load(self, alias: str, version: RegistryVersion, restores: bool) -> None:
        started = time.monotonic()
        duty = 1.0 if self.models.main is None else DUTY
        try:
            if restores:
                model = await self.loader.load_cached(version, duty)
            else:
                model = await self.loader.load(version, duty)
        except (WganError, OSError) as error:
            self._failed(alias, version, error, restores)
        except Exception as error:  # a bug must not stop serving the old model
            log.exception("a load failed unexpectedly")
            self._failed(alias, version, error, restores)
        else:
            await self._take_into_service(alias, model, started, restores)
        self._loads.pop(alias, None)
        self._wake.set()

    async def _take_into_service(self, alias: str, model: LoadedModel, started: float, restored: bool = False) -> None:
        version, status = model.version, self.aliases[alias]
        self._swap(alias, model)
        if restored:
            fields = {"model": self.model, "alias": alias, "version": version.version}
            log.info("version from the cache", extra={"fields": fields})
            return
        try:
            await asyncio.to_thread(self.cache.set_last_good, alias, version)
            self.cache_problem = None
        except WganError as error:
            self.cache_problem = f"{error}"
            noted = {"model": self.model, "alias": alias, "reason": str(error)}
            log.error("the last good version is not noted", extra={"fields": noted})
        self.metrics.reloads.labels(self.model, alias).inc()
        if status.wanted == version.version:
            self._note(alias, failures=0, version_faults=0, fault=None, reason=None)
        seconds = round(time.monotonic() - started, 3)
        fields = {"model": self.model, "alias": alias, "version": version.version, "seconds": seconds}
        log.info("version in service", extra={"fields": {**fields, "batch_sizes": model.engine.batch_sizes}})

    def _failed(self, alias: str, version: RegistryVersion, error: Exception, restores: bool) -> None:
        reason = str(error) if isinstance(error, WganError) else f"{type(error).__name__}: {error}"
        if restores:
            fields = {"model": self.model, "alias": alias, "reason": reason}
            log.warning("no model from the cache", extra={"fields": fields})
            return
        status = self.aliases[alias]
        failures, of_version = status.failures + 1, isinstance(error, VersionFault)
        self.metrics.failed_reloads.labels(self.model, alias).inc()
        faulty = {"model": self.model, "alias": alias, "version": version.version, "failures": failures}
        log.error("load failed", extra={"fields": {**faulty, "reason": reason}})
        self._note(
            alias, failures=failures, version_faults=status.version_faults + 1 if of_version else 0,
            fault="version" if of_version else "process", reason=reason,
            retry_at=time.monotonic() + backed_off(self.settings.serve_poll_seconds, failures),
        )  # fmt: skip

    async def _restore(self, alias: str) -> None:
        """Start loading the last good model from the cache, before the registry is asked."""
        version = await asyncio.to_thread(self.cache.last_good, alias)
        if version is not None:
            self._begin(alias, version, restores=True)

    def _loaded(self, version: RegistryVersion) -> LoadedModel | None:
        """The same version if loaded under the other alias, as after a promotion of the challenger."""
        for model in (self.models.main, self.models.challenger):
            if _serves(model, version):
                return model
        return None

    def _swap(self, alias: str, model: LoadedModel | None) -> None:
        """Replace one reference; log when the last request of the old model has been answered."""
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
            old.retire(_drained(self.model, alias, old.version.version))

    def _note_canary(self, canary: tuple[int, float] | None) -> None:
        if canary != self.models.canary:
            self.models = replace(self.models, canary=canary)
            version, percent = canary or (None, 0.0)
            log.info("canary", extra={"fields": {"model": self.model, "version": version, "percent": percent}})

    def _note(self, alias: str, **changes: object) -> AliasStatus:
        status = replace(self.aliases[alias], **changes)  # type: ignore[arg-type]
        self.aliases = {**self.aliases, alias: status}
        return status


def _is(one: RegistryVersion, other: RegistryVersion) -> bool:
    return (one.version, one.source) == (other.version, other.source)


def _serves(model: LoadedModel | None, version: RegistryVersion) -> bool:
    return model is not None and _is(model.version, version)


def _drained(model: str, alias: str, version: int) -> Callable[[], None]:
    fields = {"model": model, "alias": alias, "version": version}
    return lambda: log.info("version drained", extra={"fields": fields})
