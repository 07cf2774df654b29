"""The metrics for Prometheus, in a registry private to this process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
FINE_SECONDS = tuple(round(0.001 * 2 ** (step / 3), 6) for step in range(46))
"""1 ms to 33 s, each 1.26 times the one before: fine enough to compare the latencies of two versions."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Every metric of one serving process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "wgan_requests", "Answers, by route, method and status.", ["route", "method", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "wgan_request_seconds",
            "From the request's headers to the answer's end.",
            ["route"],
            buckets=SECONDS,
            registry=r,
        )
        self.version_requests = Counter(
            "wgan_version_requests",
            "Requests drawn, by model version and role.",
            ["model", "version", "role"],
            registry=r,
        )
        self.version_seconds = Histogram(
            "wgan_version_seconds",
            "Seconds a request's images took, waiting included, by model version and role.",
            ["model", "version", "role"],
            buckets=FINE_SECONDS,
            registry=r,
        )
        self.version_failures = Counter(
            "wgan_version_failures", "Requests a version could not draw.", ["model", "version", "role"], registry=r
        )
        self.images = Counter(
            "wgan_images", "Images drawn, by model version and role.", ["model", "version", "role"], registry=r
        )
        self.batch_images = Histogram(
            "wgan_batch_images", "Images in a forward pass.", ["model"], buckets=SIZES, registry=r
        )
        self.queue_images = Gauge("wgan_queue_images", "Images that wait for a forward pass.", ["model"], registry=r)
        self.rejected = Counter("wgan_rejected", "Requests refused, by reason.", ["reason"], registry=r)
        self.abandoned = Counter(
            "wgan_abandoned_images", "Images not drawn because the client had left.", ["model"], registry=r
        )
        self.model = Gauge(
            "wgan_model_info", "1 for each version loaded.", ["model", "alias", "version", "digest"], registry=r
        )
        self.reloads = Counter("wgan_reloads", "Versions taken into service.", ["model", "alias"], registry=r)
        self.failed_reloads = Counter(
            "wgan_failed_reloads", "Versions that could not be.", ["model", "alias"], registry=r
        )
        self.failed_polls = Counter(
            "wgan_failed_polls",
            "Polls of the registry without an answer; an empty model: of its list of models.",
            ["model"],
            registry=r,
        )
        self.stale = Gauge(
            "wgan_stale", "1 while what is served may not be what the registry says.", ["model", "alias"], registry=r
        )
        self.started = Gauge("wgan_started_seconds", "Unix time at which this process started.", registry=r)
        self.started.set_to_current_time()
        self.hooks = Counter("wgan_hooks", "Deliveries of MLflow's webhook, by outcome.", ["outcome"], registry=r)

    def page(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self.registry)
