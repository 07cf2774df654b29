"""Loaded model versions, and the choice of one for a request."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from wgan.errors import WganError
from wgan.model_version.record import VersionRecord
from wgan.serving.engine import Engine
from wgan.serving.registry import RegistryVersion

CHALLENGER = "challenger"
"""The alias that can be served besides the followed one."""
Role = Literal["served", "challenger", "shadow"]


class NoModel(WganError):
    """No model is loaded yet, or not under that alias."""


class UnknownModel(WganError):
    """A request asks for a model that is not served here."""


class UnknownAlias(WganError):
    """A request asks for an alias that is not served here."""


@dataclass(eq=False)
class LoadedModel:
    """A loaded and verified version. Only the count of requests that use it changes."""

    version: RegistryVersion
    record: VersionRecord
    engine: Engine
    since: datetime
    """When it was ready to serve."""
    when_unused: Callable[[], None] | None = None
    users: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def used(self) -> Iterator[LoadedModel]:
        """Count a request that uses this model."""
        with self._lock:
            self.users += 1
        try:
            yield self
        finally:
            with self._lock:
                self.users -= 1
                last, callback = not self.users, self.when_unused
                if last:
                    self.when_unused = None
            if last and callback:
                callback()

    def retire(self, drained: Callable[[], None]) -> None:
        """Call `drained` once no request uses this model any more; immediately if none does."""
        with self._lock:
            if self.users:
                self.when_unused = drained
                return
        drained()


@dataclass(frozen=True)
class ServedModels:
    """The models served at one moment. Replaced, never mutated: a request sees a consistent state."""

    alias: str
    """The followed alias, normally `champion`."""
    main: LoadedModel | None = None
    challenger: LoadedModel | None = None
    canary: tuple[int, float] | None = None
    """The version in its canary, and the share of the requests that it is to draw, in percent."""

    @property
    def canary_percent(self) -> float:
        """The share that the challenger draws in its canary; 0 outside one, or while another version is loaded."""
        if self.canary is None or self.challenger is None or self.challenger.version.version != self.canary[0]:
            return 0.0
        return self.canary[1]

    def under(self, alias: str) -> LoadedModel | None:
        """The model under one of the two aliases."""
        return self.main if alias == self.alias else self.challenger


def choose(
    models: ServedModels, asked: str | None, mode: str, percent: float, identity: str
) -> tuple[LoadedModel, str]:
    """The model that serves a request, and its alias; `asked` is the alias in the request.

    In a canary, the challenger draws its share; in the mode `split`, `percent` of the requests. Requests of one
    `identity` (a client, a seed) get the same version.

    Raises `UnknownAlias` for an alias that is not served here, `NoModel` for one that has no model yet.
    """
    beside = mode != "off"
    if asked is not None and asked != models.alias and not (beside and asked == CHALLENGER):
        allowed = f"{models.alias} or {CHALLENGER}" if beside and models.alias != CHALLENGER else models.alias
        raise UnknownAlias(f"alias {asked[:64]!r} is not served here: ask for {allowed}.")
    if asked is None and models.challenger is not None:
        share = models.canary_percent or (percent if mode == "split" else 0.0)
        if place_of(identity, models.challenger.version.version) < share:
            return models.challenger, CHALLENGER
    alias = asked or models.alias
    found = models.under(alias)
    if found is None:
        raise NoModel(f"there is no {alias} to draw with; /readyz says why.")
    return found, alias


def place_of(identity: str, version: int) -> float:
    """Where a client or seed is between 0 and 100; a challenger draws for those below its share.

    The version is part of the hash, so that every canary meets others.
    """
    digest = hashlib.sha256(f"{version} {identity}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100


def shadow_for(models: ServedModels, alias: str, mode: str, percent: float) -> LoadedModel | None:
    """The challenger, if it should also serve this request as a shadow."""
    if mode != "shadow" or alias != models.alias or random.random() * 100 >= percent:
        return None
    return models.challenger
