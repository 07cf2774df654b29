"""Everything one serving process consists of, made once from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from wgan.serving.catalogue import Catalogue
from wgan.serving.encoder import Encoder
from wgan.serving.keys import ApiKeys
from wgan.serving.metrics import Metrics
from wgan.serving.webhook import Webhook
from wgan.serving.workload import Workload
from wgan.settings import Settings


@dataclass(frozen=True)
class Background:
    """Work no request waits for; held on to, since the event loop itself does not."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the event loop."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@dataclass(frozen=True)
class Service:
    """The parts of one serving process."""

    settings: Settings
    metrics: Metrics
    catalogue: Catalogue
    keys: ApiKeys
    webhook: Webhook | None
    encoder: Encoder
    workload: Workload
    background: Background = field(default_factory=Background)


def make_service(names: tuple[str, ...], alias: str, settings: Settings) -> Service:
    """Put the parts together, for the models of those names or, without any, for all that have the alias.

    Nothing runs yet. Raises `UsageError` for settings that cannot be.
    """
    metrics = Metrics()
    secret = settings.serve_webhook_secret
    return Service(
        settings=settings,
        metrics=metrics,
        catalogue=Catalogue(names, alias, settings, metrics),
        keys=ApiKeys(settings),
        webhook=Webhook(secret.get_secret_value()) if secret else None,
        encoder=Encoder(),
        workload=Workload(settings.serve_answer_values),
    )
