"""Traces are off, at no cost, unless an endpoint is set."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wgan import telemetry
from wgan.errors import UsageError, WganError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_tracer", None)
    for name in (*telemetry.ENDPOINTS, *telemetry.PROTOCOLS, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_endpoint_a_serving_process_imports_no_sdk() -> None:
    code = (
        "import sys, wgan.serving.server, wgan.telemetry as t; t.start_telemetry('x')\n"
        "with t.span('a', b=1) as traced: traced.note(c=2); t.current_span().note(d=3); t.record('e', 0, 1)\n"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "print(t.is_tracing(), t.trace_headers(), [name for name in sys.modules if name.startswith(heavy)])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "False {} []\n"


@pytest.mark.parametrize("switch", [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_the_standard_switches_turn_it_off(switch: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv(*switch)
    telemetry.start_telemetry("test")
    assert not telemetry.is_tracing()


def test_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(UsageError, match="'grpc' is not supported: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"):
        telemetry.start_telemetry("test")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(WganError, match=r"pip install 'wgan-pipeline\[telemetry\]', or unset the variable"):
        telemetry.start_telemetry("test")
