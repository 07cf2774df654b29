"""What the front page shows: every model with its champion, what is on the way, retrainings and schedules.

It is read from MLflow and Prefect when somebody asks, at most every few seconds, and beside the drawing of images: a
server that is slow or down is a sentence on the page, and holds up nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from wgan.errors import WganError
from wgan.serving.catalogue import Catalogue
from wgan.serving.faults import without_paths
from wgan.serving.overview_mlflow import RegistryNews, read_registry
from wgan.serving.overview_prefect import PipelineNews, read_pipeline
from wgan.serving.overview_records import ModelOverview, Overview, Retraining
from wgan.settings import Settings

FRESH_SECONDS = 5.0
"""How long an answer is used again."""
PATIENCE_SECONDS = 2.0
"""How long a request waits for a new answer; then it gets the last one."""
SHOWN_RETRAININGS = 5


class OverviewReader:
    """The last answers of MLflow and Prefect, for one event loop."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._registry = RegistryNews()
        self._pipeline = PipelineNews()
        self._problems: tuple[str, ...] = ("MLflow and Prefect have not answered yet.",)
        self._asked: datetime | None = None
        self._read_at = -FRESH_SECONDS
        self._reading: asyncio.Task[None] | None = None

    async def overview(self, with_paths: bool) -> Overview:
        """What is known; local paths are included only `with_paths`."""
        if self._reading is None and time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._reading = asyncio.create_task(self._read(), name="overview")
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=PATIENCE_SECONDS)
        shown = self._retrainings(with_paths)
        names = dict.fromkeys([*self._catalogue.entries, *sorted({*shown, *self._pipeline.schedules})])
        return Overview(
            models=[self._model(name, shown.get(name, ())) for name in names],
            problems=list(self._problems),
            asked=self._asked,
            mlflow=self._settings.mlflow_link("/models"),
            prefect=f"{self._settings.prefect_page}/runs",
        )

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            registry, pipeline = await asyncio.gather(
                read_registry(list(self._catalogue.entries), self._settings),
                read_pipeline(self._settings),
                return_exceptions=True,
            )
            if isinstance(registry, RegistryNews):
                self._registry = registry
            if isinstance(pipeline, PipelineNews):
                self._pipeline = pipeline
            answers = {"MLflow": registry, "Prefect": pipeline}
            self._problems = tuple(
                f"{server}: {error if isinstance(error, WganError) else type(error).__name__}"
                for server, error in answers.items()
                if isinstance(error, Exception)
            )
            self._asked = datetime.now(UTC)
        finally:
            self._read_at, self._reading = time.monotonic(), None

    def _retrainings(self, with_paths: bool) -> dict[str, tuple[Retraining, ...]]:
        found: dict[str, tuple[Retraining, ...]] = {}
        for model, runs in self._pipeline.retrainings.items():
            newest = runs[:SHOWN_RETRAININGS]
            found[model] = newest if with_paths else tuple(_without_paths(newest))
        return found

    def _model(self, name: str, retrainings: tuple[Retraining, ...]) -> ModelOverview:
        entry = self._catalogue.entries.get(name)
        main = entry.follower.models.main if entry else None
        known = self._registry.models.get(name)
        champion = known.champion if known else None
        version = main.version.version if main else None
        settings = self._settings
        return ModelOverview(
            name=name,
            version=version,
            since=champion.since if champion and champion.version == version else None,
            loaded=main.since if main else None,
            reason=None if main else ("no version is loaded yet" if entry else "not served by this process"),
            previous=known.previous if known else None,
            on_its_way=list(known.on_its_way) if known else [],
            retrainings=list(retrainings),
            schedules=list(self._pipeline.schedules.get(name, ())),
            model_page=settings.mlflow_link(f"/models/{name}"),
            version_page=settings.mlflow_link(f"/models/{name}/versions/{version}") if version else None,
            run_page=champion.run_page if champion and champion.version == version else None,
        )


def _without_paths(retrainings: Iterable[Retraining]) -> Iterable[Retraining]:
    for each in retrainings:
        yield each.model_copy(update={"message": without_paths(each.message)})
