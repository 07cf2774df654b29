"""Every command in a document is run by a test; the table says which."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.documents import DOCUMENTS, ROOT, fenced_blocks, inline_commands, shell_commands
from tests.integration.test_readme import WALK
from tests.unit.kubernetes_overlays import kubectl, of_kind, overlay
from wgan.cli import app
from wgan.commands.init_env import write_env_file

CI = ".ci/run"
RELEASES = "tests/integration/test_release_on_workers.py::"
BY_COMMAND = "test_a_version_is_approved_and_another_refused_from_the_command_line"
UP_AND_DOWN = (
    "tests/integration/test_stack_up_and_down.py::test_down_stops_a_foreground_up_and_returns_when_all_have_ended"
)
ON_WORKERS = (
    "tests/integration/test_schedules_on_workers.py::"
    "test_from_nothing_to_a_second_automatic_run_that_survives_its_worker"
)
TWO_WORKERS = (
    "tests/integration/test_schedules_on_workers.py::"
    "test_two_workers_share_the_load_and_one_slot_allows_one_training_at_a_time"
)
SCHEDULES = "tests/integration/test_schedule_commands.py::"
REAL_DATA = "tests/integration/test_retrain_real_data.py::"
BACKUP = "tests/integration/test_backup_and_restore.py::test_a_backup_reports_its_content_and_that_it_is_intact"
STUDY = "tests/integration/test_study_command.py::"
COMPOSE = "tests/containers/test_compose.py::"
HOUSEKEEPING = "tests/integration/test_housekeeping.py::test_a_dry_run_of_the_flow_shows_what_the_command_then_removes"
IMAGES = "tests/unit/test_infra_files.py::test_the_images_that_the_documents_build_are_targets_of_the_container_file"
HERE = "tests/unit/test_documented_commands.py::"
CLUSTER = f"{HERE}test_kubectl_understands_the_command_and_asks_the_cluster"
BENCHMARKS = "tests/integration/test_benchmarks.py::test_a_benchmark_runs_from_the_checkout"

ELSEWHERE = {
    # README
    "make run": CI,
    "make test": CI,
    ". .venv/bin/activate": CI,
    "wgan down": UP_AND_DOWN,
    "wgan up": UP_AND_DOWN,
    "wgan open": ("tests/unit/test_browser_pages.py::test_the_command_sends_the_browser_to_a_page_that_signs_in"),
    "wgan retrain --preset mnist": f"{REAL_DATA}test_the_mnist_preset_runs_through_on_the_real_files",
    "wgan retrain --preset photos64 --set data.location=/data/faces --set data.name=faces": (
        f"{REAL_DATA}test_a_folder_with_broken_files_among_good_ones_runs_through"
    ),
    "wgan retrain --preset digits --set training.seed=1 --set training.generator_steps=4000": (
        "tests/integration/test_serving_walk.py::"
        "test_a_retraining_replaces_the_served_champion_without_losing_a_request"
    ),
    "wgan serve generator-digits --port 8081": (
        "tests/integration/test_serving_follows_the_registry.py::test_a_taken_port_is_one_sentence"
    ),
    "MLFLOW_TRACKING_URI=http://127.0.0.1:5000 mlflow models serve "
    "-m models:/generator-digits@champion --env-manager local --port 5001": (
        "tests/integration/test_registry_versions.py::test_mlflow_serves_the_champion_with_the_images_of_onnx_runtime"
    ),
    'wgan approve generator-digits 3 --reason "looks right"': f"{RELEASES}{BY_COMMAND}",
    "wgan worker": ON_WORKERS,
    "wgan schedule apply": f"{SCHEDULES}test_apply_finds_the_shipped_file",
    "wgan backup /backups/today": BACKUP,
    "wgan backup --check /backups/today": BACKUP,
    "wgan restore /backups/today": (
        "tests/integration/test_backup_and_restore.py::test_the_restored_stack_serves_the_same_bytes_for_the_same_seed"
    ),
    # docs/study.md
    "wgan study": f"{STUDY}test_every_claim_is_tested_and_reported",
    "wgan study --output ~/study": f"{STUDY}test_every_claim_is_tested_and_reported",
    "wgan study --claims 3,7": f"{STUDY}test_ctrl_c_ends_the_study_and_resume_does_not_repeat_finished_claims",
    "wgan study --resume FLOW_RUN": f"{STUDY}test_ctrl_c_ends_the_study_and_resume_does_not_repeat_finished_claims",
    "wgan study --merge one --merge two": f"{STUDY}test_reports_of_different_claims_become_one",
    "wgan study --size medium": f"{STUDY}test_the_larger_sizes_begin",
    "wgan study --size full": f"{STUDY}test_the_larger_sizes_begin",
    # docs/data.md
    "wgan data report NAME --against champion": (
        "tests/integration/test_refused_data.py::test_refused_data_ends_the_run_before_training_until_it_is_accepted"
    ),
    'wgan retrain --preset mnist --accept-data 3f2a9c41d0e7 --reason "the blank frames are wanted"': (
        "tests/integration/test_refused_data.py::test_refused_data_ends_the_run_before_training_until_it_is_accepted"
    ),
    # docs/operations.md, docs/housekeeping.md
    "wgan up --detach": CI,
    'wgan schedule add --preset digits --cron "*/10 * * * *" --if-changed': (
        f"{SCHEDULES}test_a_schedule_is_added_paused_resumed_run_and_removed"
    ),
    'wgan schedule add --preset mnist --cron "0 * * * *" --name mnist-watch --if-drifted': (
        "tests/integration/test_only_new_data_is_trained_on.py::"
        "test_a_schedule_trains_once_a_class_that_appears_slowly_has_moved_the_data"
    ),
    "WGAN_LISTEN_TOKEN=… wgan listen --host 127.0.0.1 --port 8090": (
        "tests/integration/test_on_seaweedfs.py::test_a_burst_of_new_objects_starts_the_schedule_that_reads_them_once"
    ),
    "wgan worker --limit 2": TWO_WORKERS,
    "wgan runs": "tests/integration/test_runs_command.py::test_a_run_is_listed_with_how_it_ended_and_why",
    "wgan logs RUN": "tests/integration/test_runs_command.py::test_a_runs_log_is_found_by_a_prefix_of_its_id",
    "wgan housekeeping": HOUSEKEEPING,
    # docs/training.md
    "python tests/benchmarks/train_throughput.py": BENCHMARKS,
    # docs/scale.md
    "pip install 'wgan-pipeline[scale]'": "pyproject.toml",
    "wgan retrain --preset digits --set training.workers=2": (
        "tests/integration/test_retrain_on_workers.py::test_a_retraining_on_two_workers_ends_in_a_promoted_version"
    ),
    "python tests/benchmarks/scaling.py": BENCHMARKS,
    "python tests/benchmarks/preparation.py": BENCHMARKS,
    # docs/extending.md
    "export WGAN_PLUGINS=my_losses,my_models": "tests/unit/test_plugins.py::test_an_allowed_class_is_found",
    # docs/containers.md
    "pip install podman-compose": "pyproject.toml",
    "cd infra": f"{HERE}test_every_folder_in_a_cd_command_exists",
    "wgan init-env": "tests/unit/test_init_env.py::test_the_file_is_readable_by_its_owner_only_with_any_umask",
    "podman-compose up -d": f"{COMPOSE}test_a_retraining_on_the_worker_is_registered_promoted_and_served",
    "podman-compose exec worker wgan schedule list": (
        f"{COMPOSE}test_a_retraining_on_the_worker_is_registered_promoted_and_served"
    ),
    "podman-compose exec worker wgan schedule run digits": (
        f"{COMPOSE}test_a_retraining_on_the_worker_is_registered_promoted_and_served"
    ),
    "podman-compose --profile observability up -d": f"{COMPOSE}test_a_profile_adds_its_services",
    "podman-compose --profile gpu up -d": f"{COMPOSE}test_a_profile_adds_its_services",
    "RAY_ADDRESS=ray-head:6379 podman-compose --profile ray up -d": (
        "tests/containers/test_compose_on_ray.py::test_a_retraining_with_two_workers_on_ray_ends_in_a_champion"
    ),
    "podman-compose --profile replicas up -d": f"{COMPOSE}test_a_profile_adds_its_services",
    "podman-compose down": ("tests/containers/test_compose_ends.py::test_every_service_of_this_pipeline_stops_cleanly"),
    "podman build --format docker -f infra/Containerfile --target serving -t wgan-serving:0.1.0 .": (
        "tests/containers/test_serving_image.py::test_it_holds_what_serving_needs_and_nothing_else"
    ),
    "podman build --format docker -f infra/Containerfile --target services -t wgan-services:0.1.0 .": (
        "tests/containers/test_services_image.py::test_its_three_programs_start_and_its_packages_are_compatible"
    ),
    "podman build --format docker -f infra/Containerfile --target trainer -t wgan-trainer:0.1.0 .": IMAGES,
    "podman build --format docker -f infra/Containerfile --target trainer "
    "--build-arg TORCH_INDEX_URL=ADDRESS -t wgan-trainer:0.1.0-cuda .": IMAGES,
    # docs/kubernetes.md
    "wgan init-env wgan.env": CLUSTER,
}
"""Command → the test that runs it, under other names, addresses and sizes, or the file that does."""

EVERY = sorted({command for document in DOCUMENTS for command in shell_commands(document)})
OF_A_CLUSTER = [command for command in EVERY if command.startswith("kubectl ")]


def test_every_command_of_every_document_is_run_by_something() -> None:
    known = {*WALK, *ELSEWHERE, *OF_A_CLUSTER}
    assert [command for command in EVERY if command not in known] == [], "say in the table which test runs it"
    assert [command for command in known if command not in EVERY] == [], "no document shows it any more"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_names_its_language(document: Path) -> None:
    """A block without a language would hide its commands."""
    assert [text for language, text in fenced_blocks(document) if not language] == []


@cache
def source(file: Path) -> str:
    """A test file with the helper modules it imports."""
    text = file.read_text()
    modules = re.findall(r"^from (tests\.[\w.]+) import", text, re.MULTILINE)
    neighbours = [ROOT.joinpath(*module.split(".")).with_suffix(".py") for module in modules]
    return "\n".join([text, *(path.read_text() for path in neighbours if path.is_file())])


@pytest.mark.parametrize("command", sorted(ELSEWHERE))
def test_the_listed_test_exists_and_uses_the_words_of_the_command(command: str) -> None:
    file, _, test = ELSEWHERE[command].partition("::")
    text = source(ROOT / file)
    if test:
        assert re.search(rf"^def {test}\(", text, re.MULTILINE)
    words = shlex.split(command)
    if words[0] == "wgan" and test:
        said = [words[1], *(word for word in words if word.startswith("--"))]
        assert [word for word in said if word.replace("-", "_") not in text and word not in text] == []


@cache
def commands_of_wgan() -> dict[str, set[str]]:
    """`schedule add` → its options, and so on."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, path: str) -> None:
        if hasattr(command, "commands"):
            for name, below in command.commands.items():
                walk(below, f"{path} {name}".strip())
        found[path] = {
            option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
        }

    walk(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_within_a_sentence_has_a_name_and_options_that_exist(document: Path) -> None:
    for text in [*inline_commands(document), *(c for c in shell_commands(document) if c.startswith("wgan "))]:
        words = re.sub(r"[\[\]]", " ", text).split()[1:]
        if not re.fullmatch(r"[a-z][a-z-]*|--[a-z-]+", words[0]):
            continue  # a file or a folder
        known = commands_of_wgan()
        below = " ".join(words[:2])
        name = below if below in known else words[0] if words[0] in known else ""
        assert name or words[0].startswith("--"), f"{text}: there is no such command"
        options = {word.partition("=")[0] for word in words if re.match(r"--\w", word)}
        assert options <= known[name] | {"--help"}, text


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which the documents' paths lead to the checkout's, with the secrets' file in it."""
    (tmp_path / "infra").symlink_to(ROOT / "infra")
    write_env_file(tmp_path / "wgan.env")
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    return tmp_path


@pytest.mark.parametrize("command", OF_A_CLUSTER)
def test_kubectl_understands_the_command_and_asks_the_cluster(command: str, there: Path) -> None:
    """There is no cluster here: the command gets as far as its first request."""
    words = [kubectl(), "--server", "http://127.0.0.1:1", *shlex.split(command)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, cwd=there, timeout=120)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "refused" in done.stderr


@pytest.mark.parametrize("command", OF_A_CLUSTER)
def test_what_a_kubectl_command_names_is_in_the_manifests(command: str) -> None:
    resources = overlay("cpu")
    for kind, name in re.findall(r"\b(deployment|service)/([\w-]+)", command):
        assert name in of_kind(resources, kind.capitalize())
    for label in re.findall(r"--selector (\S+)", command):
        key, _, value = label.partition("=")
        jobs = of_kind(resources, "Job").values()
        assert [job for job in jobs if job["metadata"]["labels"].get(key) == value]


def test_every_folder_in_a_cd_command_exists() -> None:
    folders = [command.removeprefix("cd ") for command in EVERY if command.startswith("cd ")]
    assert folders
    assert all((ROOT / folder).is_dir() for folder in folders)
