"""Each extra in its own environment does what it promises, and says what to install for the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from tests.conftest import new_settings
from tests.integration.environment_of_extra import environment_of_extra
from tests.integration.stack_commands import environment, wait_for
from tests.unit.serving.example_service import MODEL, NOBODY, write_version
from wgan.commands.extras import EXTRAS, Extra, module_of, requirements_of
from wgan.stack import take_down

NOT_IN = {
    "": {"fastapi", "numpy", "mlflow", "onnxruntime", "prefect", "torch"},
    "serve": {"matplotlib", "mlflow", "pandas", "prefect", "scikit-learn", "torch"},
    "pipeline": {"onnx", "torch", "torchvision"},
    "train": {"pytest", "ray", "torchmetrics"},
    "scale": {"pytest", "torchmetrics"},
}
TO_TRAIN = ["compare m 1 2", "evaluate m", "retrain --preset digits", "study --size tiny", "worker"]
TO_RUN_A_PIPELINE = [
    "backup folder",
    "data prepare --preset digits",
    "housekeeping",
    "models",
    "promote m 1",
    "restore folder",
    "rollback m",
    "up",
]
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
for package in ("wgan", "tasks", "flows"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if module.name != "wgan.__main__":
            importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The Python of an environment for each extra; "": of the package alone."""
    folder = tmp_path_factory.mktemp("environments")
    return {extra: environment_of_extra("wgan-pipeline", extra, folder / (extra or "base")) for extra in ("", *EXTRAS)}


def wgan(python: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", "wgan", *command.split()], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("extra", NOT_IN)
def test_an_extra_brings_no_more_than_it_says(pythons: dict[str, Path], extra: str) -> None:
    program = "import importlib.metadata as m; print(*(each.name.lower() for each in m.distributions()))"
    found = subprocess.run([pythons[extra], "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "wgan-pipeline" in found
    assert NOT_IN[extra].isdisjoint(found)


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_module_of_every_requirement_of_an_extra_is_known(extra: Extra) -> None:
    distributions = metadata.packages_distributions()
    for requirement in requirements_of(extra):
        assert requirement.name in map(canonicalize_name, distributions[module_of(requirement.name)])


@pytest.mark.parametrize("command", ["--help", "--version", "presets", "retrain --preset digits --dry-run"])
def test_the_package_alone_has_the_command_line_and_the_configuration(pythons: dict[str, Path], command: str) -> None:
    done = wgan(pythons[""], command)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_alone_does_not_report_a_champion(pythons: dict[str, Path]) -> None:
    plan = json.loads(wgan(pythons[""], "retrain --preset digits --dry-run --json").stdout)
    assert "compare with the champion, if there is one" in plan["steps"]


def test_the_package_alone_checks_the_stack_and_says_how_to_start_it(pythons: dict[str, Path]) -> None:
    done = wgan(pythons[""], "status")
    assert (done.returncode, done.stderr) == (1, "")
    assert "is not running: start it with `wgan up`." in done.stdout


@pytest.mark.parametrize("command", ["runs", "schedule list", "schedule pause digits"])
def test_the_package_alone_asks_the_prefect_server(pythons: dict[str, Path], command: str) -> None:
    nowhere = {**os.environ, "WGAN_PREFECT_API_URL": "http://127.0.0.1:9/api"}
    program = [pythons[""], "-m", "wgan", *command.split()]
    done = subprocess.run(program, env=nowhere, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("The Prefect server at http://127.0.0.1:9/api does not answer (")


def test_doctor_lists_missing_extras_without_failing(pythons: dict[str, Path]) -> None:
    checks = json.loads(wgan(pythons[""], "doctor --json").stdout)["checks"]
    missing = {check["name"]: check for check in checks if check["name"].startswith("extra ")}
    assert set(missing) == {f"extra {extra}" for extra in EXTRAS}
    for extra in EXTRAS:
        assert missing[f"extra {extra}"]["outcome"] == "info"
        assert missing[f"extra {extra}"]["finding"].endswith(f"pip install 'wgan-pipeline[{extra}]'")
    assert not [check for check in checks if check["name"] == "package"]


@pytest.mark.parametrize(
    ("present", "command", "needed", "image"),
    [
        ("", "serve m", "serve", "services"),
        *(("", command, "pipeline", "services") for command in TO_RUN_A_PIPELINE),
        ("serve", "models", "pipeline", "services"),
        *(("pipeline", command, "train", "trainer") for command in TO_TRAIN),
        ("train", "retrain --preset digits --set training.workers=2", "scale", "trainer"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_install_in_one_sentence(
    pythons: dict[str, Path], present: str, command: str, needed: str, image: str
) -> None:
    done = wgan(pythons[present], command)
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("This command needs ")
    assert sentence.endswith(
        f", which is not installed here: pip install 'wgan-pipeline[{needed}]', or use the image `{image}`."
    )


def test_the_extra_serve_answers_with_images(pythons: dict[str, Path], tmp_path: Path) -> None:
    write_version(tmp_path / "cache", 1, 1)
    environment = {"WGAN_CACHE_DIR": str(tmp_path / "cache"), "WGAN_MLFLOW_TRACKING_URI": NOBODY}
    process = subprocess.Popen(
        [pythons["serve"], "-m", "wgan", "serve", MODEL, "--port", "0"],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        with httpx.Client(base_url=process.stdout.readline().split()[-1], timeout=30) as client:
            wait_for(lambda: client.get("/readyz").status_code == 200, 60)
            answer = client.post("/v1/images", json={"count": 4, "seed": 1})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_the_extra_pipeline_runs_the_servers_prepares_data_and_lists_it(
    pythons: dict[str, Path], tmp_path: Path
) -> None:
    settings = new_settings(tmp_path / "home")
    variables = environment(settings, WGAN_START_TIMEOUT="300")

    def answer(*command: str) -> str:
        program = [pythons["pipeline"], "-m", "wgan", *command]
        done = subprocess.run(program, env=variables, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        answer("up", "--detach")
        assert json.loads(answer("data", "prepare", "--preset", "digits", "--json"))["source"] == "digits"
        assert json.loads(answer("models", "--json")) == {"models": []}
        assert json.loads(answer("schedule", "list", "--json")) == {"schedules": []}
    finally:
        take_down(settings)


def test_the_extra_train_has_everything_that_the_library_imports(pythons: dict[str, Path]) -> None:
    done = subprocess.run([pythons["train"], "-c", IMPORT_EVERYTHING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
