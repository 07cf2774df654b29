"""Sends metrics and image series of a running training in batches, in a thread that survives server outages."""

from __future__ import annotations

import contextvars
import logging
import math
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from PIL import Image

from wgan.errors import WganError
from wgan.settings import Settings
from wgan.tracking.client import tracking, tracking_client
from wgan.tracking.pictures import Picture, logged_stems, new_stem, send_picture

MAX_BATCH = 900
"""Metrics in one request; MLflow takes at most 1,000."""
LONGEST_PAUSE = 15.0
"""Seconds between attempts while the server is unreachable."""
SYSTEM_METRICS_SECONDS = 10.0
EVALUATIONS = "checkpoint"
"""MLflow shows metrics with a common prefix as one section."""

logger = logging.getLogger(__name__)


class MetricStream:
    """Metrics and image series of one run, sent by a background thread; steps logged earlier are skipped.

    All metrics of a step are sent in one request, so a step is logged completely or not at all. While the server is
    unreachable, everything is kept and resent with the same timestamps (which MLflow recognises) and names, so that
    nothing is lost or duplicated. Use as a context manager: leaving it blocks until everything is sent.
    """

    def __init__(self, settings: Settings, run_id: str, timeout: float = 600.0, flush_every: float = 2.0) -> None:
        """`timeout`: seconds that leaving waits for an unreachable server; `flush_every`: seconds."""
        self._client = tracking_client(settings)
        self._run_id = run_id
        self._where = settings.mlflow_tracking_uri
        self._timeout = timeout
        self._flush_every = flush_every
        self._pending: list[list[Metric]] = []
        self._images: list[Picture] = []
        self._changed = threading.Condition()
        self._nudge = threading.Event()
        self._closing = threading.Event()
        self._steps_sent = self._images_sent = 0
        self._failure: str | None = None
        with tracking(settings):
            self._done_steps = self._steps_logged("critic_loss", "generator_loss")
            self._done_evaluations = self._steps_logged(f"{EVALUATIONS}/fid")
            self._done_images, self._begun_images = logged_stems(self._client, run_id)
        self._monitor = SystemMetricsMonitor(
            run_id,
            sampling_interval=SYSTEM_METRICS_SECONDS,
            resume_logging=True,
            tracking_uri=settings.mlflow_tracking_uri,
        )
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,  # so that its log records belong to the caller's run
            args=(self._send_until_closed,),
            name="metric-stream",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._monitor.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._monitor.finish()
        self._closing.set()
        self._nudge.set()
        self._thread.join(self._timeout + 60.0)
        if self._failure and error is None:
            raise WganError(
                f"the MLflow server at {self._where} did not accept {len(self._pending)} steps of metrics and "
                f"{len(self._images)} pictures within {self._timeout:.0f} s: {self._failure}."
            )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Queue a step's metrics; a step that the run already has is skipped."""
        self._queue(self._done_steps, step, values)

    def log_evaluation(self, step: int, values: Mapping[str, float]) -> None:
        """Queue what a checkpoint's generator measured, as `checkpoint/<metric>`; a step that is there is skipped."""
        self._queue(self._done_evaluations, step, {f"{EVALUATIONS}/{key}": value for key, value in values.items()})

    def log_image(self, key: str, step: int, image: Image.Image) -> None:
        """Queue one picture of an image series; a step that the run already has is skipped."""
        if (key, step) in self._done_images:
            return
        with self._changed:
            self._done_images.add((key, step))
            stem = self._begun_images.get((key, step)) or new_stem(key, step)
            self._images.append(Picture(stem, image))

    def flush(self, timeout: float) -> bool:
        """Block until everything logged before this call is sent, at most `timeout` seconds; returns whether it is."""
        with self._changed:
            # Counted apart: pictures that are queued later must not stand for metrics that are still to be sent.
            steps, images = self._steps_sent + len(self._pending), self._images_sent + len(self._images)
            self._nudge.set()
            return self._changed.wait_for(lambda: self._steps_sent >= steps and self._images_sent >= images, timeout)

    def _queue(self, done: set[int], step: int, values: Mapping[str, float]) -> None:
        if step in done:
            return
        now = int(time.time() * 1000)
        with self._changed:
            done.add(step)
            self._pending.append([Metric(key, value, now, step) for key, value in values.items()])

    def _steps_logged(self, *keys: str) -> set[int]:
        steps: set[int] = set()
        for key in keys:
            steps |= {metric.step for metric in self._client.get_metric_history(self._run_id, key)}
        return steps

    def _send_until_closed(self) -> None:
        failures = 0
        deadline = math.inf
        while True:
            self._nudge.wait(self._flush_every)
            self._nudge.clear()
            closing = self._closing.is_set()
            if closing:
                self._nudge.set()
                deadline = min(deadline, time.monotonic() + self._timeout)
            if failures:
                time.sleep(min(2.0**failures, LONGEST_PAUSE))
            try:
                self._send()
                failures, self._failure = 0, None
            except Exception as error:  # the thread must outlive whatever the network does
                failures += 1
                self._failure = " ".join(str(error).split())[:200] or type(error).__name__
                if failures == 1:
                    logger.warning("MLflow does not answer; metrics are kept and sent again: %s", self._failure)
            if closing and (not failures or time.monotonic() > deadline):
                return

    def _send(self) -> None:
        while self._pending or self._images:
            if batch := self._next_steps():  # before every picture, so that a long series does not hold metrics up
                self._client.log_batch(self._run_id, metrics=[metric for metrics in batch for metric in metrics])
                with self._changed:
                    del self._pending[: len(batch)]
                    self._steps_sent += len(batch)
                    self._changed.notify_all()
            else:
                send_picture(self._client, self._run_id, self._images[0])
                with self._changed:
                    del self._images[0]
                    self._images_sent += 1
                    self._changed.notify_all()

    def _next_steps(self) -> list[list[Metric]]:
        with self._changed:
            batch: list[list[Metric]] = []
            size = 0
            for metrics in self._pending:
                size += len(metrics)
                if batch and size > MAX_BATCH:
                    break
                batch.append(metrics)
            return batch
