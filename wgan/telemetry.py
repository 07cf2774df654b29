"""OpenTelemetry traces over OTLP: no SDK is imported and nothing recorded unless OTEL_EXPORTER_OTLP_ENDPOINT is set.

The SDK and the exporter read the other standard variables: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER,
OTEL_EXPORTER_OTLP_HEADERS and so on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wgan.errors import UsageError, WganError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"

Attribute = str | int | float | bool

_tracer: Tracer | None = None


@dataclass(frozen=True)
class Traced:
    """The span of a block; without telemetry it ignores what it is told."""

    span: Span | None = None

    def note(self, **attributes: Attribute | None) -> None:
        """Add attributes; None is left out. `batch_size=4` becomes `wgan.batch_size`."""
        if self.span is not None:
            self.span.set_attributes(_named(attributes))


def start_telemetry(service: str) -> None:
    """Send this process's spans to the collector, under OTEL_SERVICE_NAME or `service`; a second call does nothing.

    Raises `WganError` if the packages are missing, `UsageError` if the collector's protocol is not supported.
    """
    global _tracer
    if _tracer is not None or not _is_asked_for():
        return
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), SPOKEN)
    if protocol != SPOKEN:
        raise UsageError(f"the OpenTelemetry protocol {protocol!r} is not supported: set {PROTOCOLS[1]}={SPOKEN}.")
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise WganError(
            f"{ENDPOINTS[0]} is set, but what sends traces is not installed here: pip install "
            "'wgan-pipeline[telemetry]', or unset the variable."
        ) from None
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": service}))
    provider = TracerProvider(resource=resource)  # sends what is left when the process ends
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("wgan")


def is_tracing() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


@contextmanager
def span(name: str, **attributes: Attribute | None) -> Iterator[Traced]:
    """A span for the block, below the current one; an exception marks it as failed."""
    if _tracer is None:
        yield Traced()
        return
    with _tracer.start_as_current_span(name, attributes=_named(attributes)) as current:
        yield Traced(current)


def current_span() -> Traced:
    """The span of the block around, whoever opened it."""
    if _tracer is None:
        return Traced()
    from opentelemetry import trace

    return Traced(trace.get_current_span())


def record(name: str, began: int, ended: int, **attributes: Attribute | None) -> None:
    """Record a span that is over, below the current one; times in nanoseconds since the epoch."""
    if _tracer is not None:
        _tracer.start_span(name, start_time=began, attributes=_named(attributes)).end(ended)


def trace_headers() -> dict[str, str]:
    """HTTP headers that continue the current trace in another process; empty without telemetry."""
    headers: dict[str, str] = {}
    if _tracer is not None:
        from opentelemetry import propagate

        propagate.inject(headers)
    return headers


def _is_asked_for() -> bool:
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(os.environ.get(name) for name in ENDPOINTS)


def _named(attributes: Mapping[str, Attribute | None]) -> dict[str, Attribute]:
    return {f"wgan.{name}": value for name, value in attributes.items() if value is not None}
