"""How fast serving is, against others on the same registered model: python tests/benchmarks/serve_throughput.py.

A generator of 64×64 colour images, width 64, random weights, is registered in a separate registry. Then these
alternate, so that other work on the machine affects all of them alike:

    raw     ONNX Runtime with its defaults in a loop in this process: the latents of one request, one forward pass
    raw-nospin the same without threads that spin between two passes, which is faster while others use the processor
    raw+png raw-nospin and then the PNG of the images, as serving answers it
    wgan    `wgan serve`, POST /v1/images, one PNG
    wgan npy the same with Accept: application/x-npy: like raw, without an encoding
    mlflow  `mlflow models serve` of the same version, POST /invocations, the images as JSON

The clients are connections that send the next request as soon as they have the answer, which they do not parse. Images
per second are medians over the rounds, p50 and p99 (milliseconds) are of all requests. `raw` has no concurrency: it is
the same at each. `mlflow` is left out where more than 256 images are in flight: it answers some of those with 504,
after a minute. The last lines are the ratios that docs/serving.md names.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import onnxruntime
import psutil
import torch

# A script has only its own folder on the path, and an installed package may provide another `tests`.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.termination import exit_on_sigterm
from tests.conftest import free_ports, new_settings
from tests.integration.serving_process import Serving, client_of, serving
from tests.unit.registry.examples import example_config, example_evaluation
from wgan.latents import draw_latents
from wgan.pixels import to_bytes
from wgan.records import ModelVersionRef
from wgan.registry.registration import register_generator
from wgan.registry.versions import fetch_version
from wgan.serving.encoding import Encoding, encode
from wgan.settings import Settings
from wgan.stack import client_environment, start_stack, stop_stack
from wgan.steps.export import write_export
from wgan.training.networks import Generator

COUNTS, CONCURRENCIES = (1, 16, 64), (1, 8, 32)
LEAST, MOST = COUNTS[-1], COUNTS[-1] * CONCURRENCIES[-1]
"""Images in flight that the ratios of the last lines need, and that the largest cell has."""
MOST_FOR_MLFLOW = 256
IMAGE_SIZE, WIDTH, LATENT_DIM = 64, 64, 100


@dataclass
class Seen:
    """The measurements of one contestant in one cell of the table."""

    rates: list[float] = field(default_factory=list)
    """Images per second, one figure a round."""
    seconds: list[float] = field(default_factory=list)
    """Of every request."""

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def milliseconds(self, percent: float) -> float:
        return 1000 * float(np.percentile(self.seconds, percent))


Turn = Callable[[int, int, float], tuple[float, list[float]]]
"""(count, concurrency, seconds) to images per second and each request's seconds."""


def in_this_process(work: Callable[[int], object]) -> Turn:
    """A loop without a server."""

    def turn(count: int, concurrency: int, seconds: float) -> tuple[float, list[float]]:
        work(count)
        taken: list[float] = []
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            before = time.perf_counter()
            work(count)
            taken.append(time.perf_counter() - before)
        return count * len(taken) / (time.perf_counter() - started), taken

    return turn


def over_http(url: str, body: Callable[[int, int], bytes], accept: str = "*/*") -> Turn:
    """Connections that are kept; `body(count, number)` is what a request sends."""
    where = urlsplit(url)

    def request(count: int, number: int) -> bytes:
        content = body(count, number)
        head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: {accept}\r\n"
        head += "Content-Type: application/json\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    async def client(requests: list[bytes], until: float, taken: list[float]) -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=2**20)
        number = 0
        while time.perf_counter() < until:
            before = time.perf_counter()
            writer.write(requests[number % len(requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            assert " 200 " in head.split("\r\n")[0], head
            length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
            await reader.readexactly(int(length.split(":")[1]))
            taken.append(time.perf_counter() - before)
            number += 1
        writer.close()
        await writer.wait_closed()

    async def clients(count: int, concurrency: int, seconds: float) -> tuple[float, list[float]]:
        taken: list[float] = []
        sent = [[request(count, 4 * who + number) for number in range(4)] for who in range(concurrency)]
        started = time.perf_counter()
        await asyncio.gather(*(client(each, started + seconds, taken) for each in sent))
        return count * len(taken) / (time.perf_counter() - started), taken

    return lambda count, concurrency, seconds: asyncio.run(clients(count, concurrency, seconds))


def register(settings: Settings, folder: Path) -> ModelVersionRef:
    """A generator of celeba64's size, as trained networks are registered."""
    torch.manual_seed(0)
    generator = Generator(3, IMAGE_SIZE, WIDTH, LATENT_DIM)
    config = example_config("throughput")
    run = client_of(settings).create_run(client_of(settings).create_experiment("serving throughput")).info.run_id
    evaluation = example_evaluation(config, run)
    dataset = evaluation.training.dataset.model_copy(update={"channels": 3, "image_size": IMAGE_SIZE})
    networks = evaluation.training.networks.model_copy(update={"width": WIDTH, "latent_dim": LATENT_DIM})
    training = evaluation.training.model_copy(update={"dataset": dataset, "networks": networks})
    evaluation = evaluation.model_copy(update={"training": training})
    version = register_generator(evaluation, write_export(generator, folder / "export"), config, settings)
    client_of(settings).set_registered_model_alias(version.model_name, "champion", str(version.version))
    return version


@contextmanager
def mlflow_serving(settings: Settings, version: ModelVersionRef, folder: Path) -> Iterator[str]:
    """`mlflow models serve` of the version; its address."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--port", str(port)]
    command += ["--model-uri", f"models:/{version.model_name}/{version.version}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where it finds its uvicorn
    environment = {**os.environ, **client_environment(settings), "PATH": path}
    with (folder / "mlflow-serve.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        while not _listens(port):
            assert process.poll() is None, (folder / "mlflow-serve.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # the command starts a server of its own
        process.wait()


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def contestants(onnx: Path, ours: str, theirs: str) -> dict[str, Turn]:
    """The contestants."""
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    idle = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    noise = {count: draw_latents(0, count, LATENT_DIM) for count in COUNTS}

    def raw(count: int, session: onnxruntime.InferenceSession = session) -> np.ndarray:
        return session.run(["images"], {"latents": noise[count]})[0]  # type: ignore[no-any-return]

    def asked_of_mlflow(count: int, number: int) -> bytes:
        return json.dumps({"inputs": {"latents": draw_latents(number, count, LATENT_DIM).tolist()}}).encode()

    def asked_of_wgan(count: int, seed: int) -> bytes:
        return json.dumps({"count": count, "seed": seed}).encode()

    return {
        "raw": in_this_process(raw),
        "raw-nospin": in_this_process(lambda count: raw(count, idle)),
        "raw+png": in_this_process(lambda count: encode(to_bytes(raw(count, idle)), Encoding("grid"), {})),
        "wgan": over_http(f"{ours}/v1/images", asked_of_wgan),
        "wgan npy": over_http(f"{ours}/v1/images", asked_of_wgan, "application/x-npy"),
        "mlflow": over_http(f"{theirs}/invocations", asked_of_mlflow),
    }


Table = dict[tuple[int, int], dict[str, Seen]]


def measure(turns: dict[str, Turn], rounds: int, seconds: float, in_flight: int) -> Table:
    """(count, concurrency) → contestant → measurements. Each contestant runs once per round.

    Cells with more than `in_flight` images at once are left out.
    """
    table: Table = {
        (count, width): {who: Seen() for who in turns if who != "mlflow" or count * width <= MOST_FOR_MLFLOW}
        for count in COUNTS
        for width in CONCURRENCIES
        if count * width <= in_flight
    }
    for turn in turns.values():
        turn(1, 1, 0.5)
    for _ in range(rounds):
        for (count, width), cell in table.items():
            for who in cell:
                if who.startswith("raw") and width > 1:
                    cell[who] = table[count, 1][who]
                    continue
                rate, taken = turns[who](count, width, seconds)
                cell[who].rates.append(rate)
                cell[who].seconds += taken
    return table


def report(table: Table) -> Iterator[str]:
    """The table as Markdown, and the ratios of the aims."""
    yield "| count | concurrency | | images/s | p50 ms | p99 ms | images/s of raw | images/s of mlflow |"
    yield "|--:|--:|---|--:|--:|--:|--:|--:|"
    for (count, width), cell in table.items():
        for who, seen in cell.items():
            if who.startswith("raw") and width > 1:
                continue
            figures = f"{seen.rate:.0f} | {seen.milliseconds(50):.1f} | {seen.milliseconds(99):.1f}"
            bases = (cell.get("raw"), cell.get("mlflow"))
            ratios = " | ".join(f"{seen.rate / base.rate:.2f}" if base else "" for base in bases)
            yield f"| {count} | {width} | {who} | {figures} | {ratios} |"
    best = max(cell["wgan"].rate for (count, _), cell in table.items() if count == 64)
    alone, crowd = table[1, 1], table[1, 32]
    slower = alone["wgan"].milliseconds(50) / alone["raw+png"].milliseconds(50)
    yield ""
    raw = max(table[64, 1][who].rate for who in ("raw", "raw-nospin"))
    for who in ("wgan npy", "wgan"):
        share = table[64, 1][who].rate / raw
        yield f"count 64, concurrency 1: {who} {share:.2f} of the better raw's images/s (aim 0.95)"
    yield f"count 64, best concurrency: {best / raw:.2f} of the better raw's images/s"
    yield f"count 1, concurrency 1: p50 {slower:.2f} of raw plus encoding (aim 1.25)"
    yield f"count 1, concurrency 32: {crowd['wgan'].rate / crowd['mlflow'].rate:.2f} of mlflow's images/s (aim 2)"


def main() -> None:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Images per second and latency of serving, as a table.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--in-flight", type=int, default=MOST, help="of a cell, at most; fewer leave cells out")
    options = parser.parse_args()
    if options.in_flight < LEAST:
        parser.error(f"--in-flight {options.in_flight}: the ratios need {LEAST} images at once, or more.")
    with tempfile.TemporaryDirectory(prefix="wgan-throughput-") as name:
        folder = Path(name)
        planned = new_settings(folder / "home").model_copy(update={"serve": False})
        stack = start_stack(planned)
        try:
            os.environ.update(client_environment(stack.settings))
            version = register(stack.settings, folder)
            onnx = fetch_version(version.model_name, version.version, stack.settings, folder / "fetched")
            variables = {"WGAN_SERVE_POLL_SECONDS": "2", "WGAN_SERVE_REQUEST_SECONDS": "600"}
            with (
                serving(stack.settings, version.model_name, folder, **variables) as ours,
                mlflow_serving(stack.settings, version, folder) as theirs,
            ):
                ours.wait_ready()
                turns = contestants(onnx, str(ours.client.base_url).rstrip("/"), theirs)
                print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors, ", end="")
                print(f"batch sizes {ours.events()[-1].get('batch_sizes')}")
                print("\n".join(report(measure(turns, options.rounds, options.seconds, options.in_flight))))
                print(memory(ours))
        finally:
            stop_stack(stack)


def memory(server: Serving) -> str:
    """Resident memory of the serving process at the end."""
    return f"resident memory of wgan serve: {psutil.Process(server.process.pid).memory_info().rss / 2**20:.0f} MiB"


if __name__ == "__main__":
    main()
