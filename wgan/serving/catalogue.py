"""The models this process serves: the named ones, or every model with a version under the alias."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from wgan.errors import WganError
from wgan.serving.backoff import backed_off, jittered
from wgan.serving.batching import Batcher
from wgan.serving.follower import Follower
from wgan.serving.metrics import Metrics
from wgan.serving.model_cache import cached_models
from wgan.serving.models import NoModel, UnknownModel
from wgan.serving.registry import RegistryClient
from wgan.settings import Settings

LOADS = 2
"""Versions downloaded and verified concurrently, so that a slow one does not block all others."""
LISTED = 20
"""Maximum number of names listed in a sentence."""

log = logging.getLogger("wgan.serving")


@dataclass(frozen=True, eq=False)
class Entry:
    """One registered model: the follower of its aliases, and the queue for its versions."""

    name: str
    follower: Follower
    batcher: Batcher

    @property
    def draws(self) -> bool:
        """Whether a version is loaded."""
        return self.follower.models.main is not None

    @property
    def on_its_way(self) -> bool:
        """Whether its first version is being looked up or loaded, without a failure so far."""
        return not self.draws and self.follower.is_first_on_its_way


class Catalogue:
    """The models of one process, for one event loop: each has a follower and a queue of its own.

    With names it serves exactly these, and the first is the default. Without names it serves every model that the
    registry lists with the alias and adds new ones at the next poll; the first by name is the default. A model once
    added stays until the process ends; if the registry no longer has it, it is stale.
    """

    def __init__(self, names: tuple[str, ...], alias: str, settings: Settings, metrics: Metrics) -> None:
        self.every = not names
        """Whether it serves all models with the alias rather than given names."""
        self.alias = alias
        self.settings = settings
        self.metrics = metrics
        self.problem = "the registry has not answered yet." if self.every else None
        """Why the list of models may differ from the registry's."""
        self._registry = RegistryClient(settings)
        self._loads = asyncio.Semaphore(LOADS)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._failures = 0
        self._was_ready = False
        self.entries = {name: self._entry(name) for name in dict.fromkeys(names)}
        """Models by name; the default comes first."""

    @property
    def default(self) -> Entry | None:
        """The model of the short form, `/v1/images`; None if there is none yet."""
        return next(iter(self.entries.values()), None)

    def require_default(self) -> Entry:
        """The model of the short form. Raises `NoModel`."""
        found = self.default
        if found is None:
            raise NoModel(self.problem or self._nothing())
        return found

    def require(self, name: str) -> Entry:
        """The model of that name. Raises `UnknownModel` with the names that are served."""
        found = self.entries.get(name)
        if found is None:
            *others, last = list(self.entries)[:LISTED] or [""]
            names = f"{', '.join(others)} or {last}" if others else last
            remedy = f"ask for {names}" if last else "none is served yet"
            raise UnknownModel(f"model {name[:64]!r} is not served here: {remedy}.")
        return found

    @property
    def is_ready(self) -> bool:
        """Whether the process can take requests.

        First True once every model with a version under the alias is loaded or has failed. From then on True while any
        model is loaded, so that adding another model makes nobody wait.
        """
        entries = self.entries.values()
        if not any(entry.draws for entry in entries):
            return False
        self._was_ready = self._was_ready or not any(entry.on_its_way for entry in entries)
        return self._was_ready

    def poll_now(self, name: str | None = None) -> None:
        """Poll the registry now for the named model, or for new models; without a name, for all."""
        for entry in self.entries.values():
            if name in (None, entry.name):
                entry.follower.poll_now()
        if name not in self.entries:
            self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            for entry in self.entries.values():
                self._start(entry)
            while self.every:
                try:
                    await self._look()
                except Exception:  # a bug must not stop serving
                    log.exception("looking for models failed")
                with suppress(TimeoutError):
                    async with asyncio.timeout(jittered(backed_off(self.settings.serve_poll_seconds, self._failures))):
                        await self._wake.wait()
                self._wake.clear()
            await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for entry in self.entries.values():
                entry.batcher.close()
            await self._registry.close()

    async def _look(self) -> None:
        """Ask the registry for its models, and add new ones."""
        try:
            names = await self._registry.models_with(self.alias)
        except Exception as error:  # serving continues whatever happens
            reason = f"{error}" if isinstance(error, WganError) else f"the list of models: {type(error).__name__}."
            if not self._failures:
                log.warning("the models are not known", extra={"fields": {"reason": reason}})
            self._failures += 1
            self.metrics.failed_polls.labels("").inc()
            self.problem = reason
            names = await asyncio.to_thread(cached_models, self.settings.cache, self.alias)
            names = () if self.entries else names
        else:
            self._failures = 0
            self.problem = None if names or self.entries else self._nothing()
        most, new = self.settings.serve_max_models, [name for name in names if name not in self.entries]
        room = max(0, most - len(self.entries))
        for name in new[:room]:
            log.info("model added", extra={"fields": {"model": name}})
            entry = self._entry(name)
            self.entries = dict(sorted({**self.entries, name: entry}.items()))
            self._start(entry)
        if left := new[room:]:
            self.problem = f"WGAN_SERVE_MAX_MODELS={most} leaves out {', '.join(left[:LISTED])}."

    def _nothing(self) -> str:
        return f"no registered model has a {self.alias} yet: `wgan promote NAME VERSION` sets one."

    def _entry(self, name: str) -> Entry:
        settings = self.settings
        capacity = max(settings.serve_queue_images, settings.serve_max_count)
        return Entry(
            name,
            Follower(name, self.alias, settings, self.metrics, self._loads),
            Batcher(
                settings.serve_max_batch, settings.serve_batch_seconds, capacity, self.metrics,
                model=name, pass_seconds=settings.serve_request_seconds,
            ),
        )  # fmt: skip

    def _start(self, entry: Entry) -> None:
        for work in (entry.follower.run(), entry.batcher.run()):
            self._tasks.append(asyncio.create_task(work, name=entry.name))
