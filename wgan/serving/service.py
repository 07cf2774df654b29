"""The components of a serving process, made once from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from wgan.serving.catalogue import Catalogue
from wgan.serving.encoder import Encoder
from wgan.serving.keys import ApiKeys
from wgan.serving.metrics import Metrics
from wgan.serving.overview import OverviewReader
from wgan.serving.webhook import Webhook
from wgan.serving.workload import Workload
from wgan.settings import Settings


@dataclass(frozen=True)
class Background:
    """Background tasks no request waits for; references are kept, since the event loop keeps none."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@dataclass(frozen=True)
class Service:
    """The components of one serving process."""

    settings: Settings
    metrics: Metrics
    catalogue: Catalogue
    keys: ApiKeys
    webhook: Webhook | None
    encoder: Encoder
    workload: Workload
    overview: OverviewReader
    background: Background = field(default_factory=Background)


def make_service(names: tuple[str, ...], alias: str, settings: Settings) -> Service:
    """Assemble the components, for the named models or, without names, for all that have the alias.

    Nothing runs yet. Raises `UsageError` for invalid settings.
    """
    metrics = Metrics()
    secret = settings.serve_webhook_secret
    catalogue = Catalogue(names, alias, settings, metrics)
    return Service(
        settings=settings,
        metrics=metrics,
        catalogue=catalogue,
        overview=OverviewReader(settings, catalogue),
        keys=ApiKeys(settings),
        webhook=Webhook(secret.get_secret_value()) if secret else None,
        encoder=Encoder(),
        workload=Workload(settings.serve_answer_values),
    )
