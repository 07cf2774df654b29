"""OpenTelemetry traces reach a collector: a request through serving, and a retraining through its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.collector import Collector, Span, collector
from tests.integration.command_line import quick
from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import start, wait_for
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)

MODEL = "generator-traced-serving"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"  # the example of the W3C's Trace Context


@pytest.fixture(scope="module")
def collected() -> Iterator[Collector]:
    with collector() as server:
        yield server


@pytest.fixture(scope="module")
def server(stack: Settings, collected: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("traced")
    version = register(stack, folder, "traced-serving", 0)
    client_of(stack).set_registered_model_alias(MODEL, "champion", str(version.version))
    with serving(stack, MODEL, folder, WGAN_SERVE_MAX_BATCH="4", **collected.variables) as process:
        process.wait_ready()
        yield process


def test_a_request_is_one_trace_through_queue_pass_and_encoding(server: Serving, collected: Collector) -> None:
    asked = {"count": 6, "seed": 1}
    answer = server.client.post("/v1/images", json=asked, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    wait_for(lambda: any(span.trace == TRACE for span in collected.named("POST /v1/images")), 60)
    (request,) = (span for span in collected.named("POST /v1/images") if span.trace == TRACE)
    assert (request.service, request.parent) == ("wgan-serving", PARENT)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["wgan.request_id"] == answer.headers["X-Request-ID"]
    assert request.attributes["wgan.version"] == 1
    wait_for(lambda: len(collected.below(request)) == 3, 60)
    inner = {span.name: span for span in collected.below(request)}
    assert inner.keys() == {"admission", "drawing", "encoding"}
    assert inner["encoding"].attributes["wgan.bytes"] == len(answer.content)
    assert (inner["drawing"].attributes["wgan.model"], inner["drawing"].attributes["wgan.version"]) == (MODEL, 1)
    queue, *passes = sorted(collected.below(inner["drawing"]), key=lambda span: span.began)
    assert (queue.name, queue.ended) == ("queue", passes[0].began)
    assert [(span.name, span.attributes["wgan.batch_size"]) for span in passes] == [("pass", 4), ("pass", 2)]
    assert all(span.trace == TRACE for span in (*inner.values(), queue, *passes))


def test_a_pass_that_requests_share_is_in_the_trace_of_each(server: Serving, collected: Collector) -> None:
    def ask(seed: int) -> None:
        server.client.post("/v1/images", json={"count": 1, "seed": seed}).raise_for_status()

    def shared() -> list[Span]:
        return [span for span in collected.named("pass") if span.attributes["wgan.requests"] > 1]

    with ThreadPoolExecutor(8) as clients:
        for _ in range(10):
            list(clients.map(ask, range(32)))
            if shared():
                break
    wait_for(lambda: len({span.trace for span in shared()}) > 1, 60)
    assert all(span.attributes["wgan.batch_size"] == span.attributes["wgan.requests"] for span in shared())


def test_a_refused_request_is_a_trace_with_its_status(server: Serving, collected: Collector) -> None:
    server.client.post("/v1/models/generator-unknown/images", json={"count": 1})
    name = "POST /v1/models/{model}/images"
    wait_for(lambda: collected.named(name), 60)
    assert collected.named(name)[0].attributes["http.response.status_code"] == 404


def test_polls_leave_no_traces(server: Serving, collected: Collector) -> None:
    server.client.get("/readyz")
    server.client.get("/v1/model")
    wait_for(lambda: collected.named("GET /v1/model"), 60)
    assert not [span for span in collected.spans if span.name.endswith(("/readyz", "/healthz", "/metrics"))]


def test_a_retraining_is_one_trace_from_the_flow_run_to_the_promotion(
    stack: Settings, server: Serving, collected: Collector
) -> None:
    more = {**collected.variables, "OTEL_SERVICE_NAME": "the-pipeline"}
    process = start(stack, "retrain", *quick("traced"), "--json", **more)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    wait_for(lambda: collected.named("generator-traced seed 0"), 60)
    (flow,) = collected.named("generator-traced seed 0")
    assert (flow.service, flow.parent) == ("the-pipeline", "")

    def above(span: Span) -> Span:
        return next(other for other in collected.spans if other.id == span.parent)

    for name, task in {
        "training": "train generator", "registration": "register generator", "promotion": "promote generator"
    }.items():  # fmt: skip
        (inner,) = (span for span in collected.named(name) if span.trace == flow.trace)
        assert inner.attributes["wgan.model"] == "generator-traced"
        assert above(inner).name.startswith(task)
        assert above(above(inner)) == flow
    (training,) = collected.named("training")
    assert training.attributes["wgan.generator_steps"] == 12
    (promotion,) = collected.named("promotion")
    assert (promotion.attributes["wgan.version"], promotion.attributes["wgan.action"]) == (1, "promoted")
