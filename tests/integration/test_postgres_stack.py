"""MLflow and Prefect on Postgres: the tests of the stack on SQLite; then a backup, restored elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from psycopg import sql

from tests.conftest import new_settings
from tests.integration import test_retrain_command as on_sqlite
from tests.integration.command_line import json_of, quick
from tests.integration.postgres_server import PostgresServer, on_postgres, postgres_server
from tests.integration.stack_commands import run, wait_for
from wgan.settings import Settings
from wgan.stack import start_stack, stop_stack
from wgan.stack.processes import strays
from wgan.storage import Storage, open_storage

pytestmark = pytest.mark.slow(minutes=5)
MODEL = "generator-first"

# The tests of the stack on SQLite, with this module's fixtures.
test_the_outcome_walks_back = on_sqlite.test_the_outcome_walks_back_to_run_checkpoint_and_data
test_the_first_version_is_promoted = on_sqlite.test_the_first_version_is_promoted_over_the_floors
test_every_step_is_in_mlflow = on_sqlite.test_every_step_is_in_mlflow_and_the_pictures_are_a_series
test_results_of_tasks_are_json = on_sqlite.test_results_of_tasks_are_json_in_the_bucket
test_no_persistent_object_is_a_pickle = on_sqlite.test_no_persistent_object_is_a_pickle
test_a_second_run_is_compared_with_the_champion = (
    on_sqlite.test_a_second_run_reuses_the_data_and_starts_from_the_champion_it_is_compared_with
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def variables(settings: Settings) -> dict[str, str]:
    assert settings.mlflow_database_url
    assert settings.prefect_database_url
    return {
        "WGAN_MLFLOW_DATABASE_URL": settings.mlflow_database_url.get_secret_value(),
        "WGAN_PREFECT_DATABASE_URL": settings.prefect_database_url.get_secret_value(),
    }


@pytest.fixture(scope="module")
def stack(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """In place of the session's: a stack whose two databases are on Postgres."""
    running = start_stack(on_postgres(postgres, tmp_path_factory.mktemp("home"), "mlflow", "prefect", MODEL))
    yield running.settings
    stop_stack(running)


@pytest.fixture(scope="module")
def storage(stack: Settings) -> Storage:
    return open_storage(stack)


@pytest.fixture(scope="module")
def first_retraining(stack: Settings) -> on_sqlite.First:
    return on_sqlite.retrain_first(stack)


@pytest.fixture
def first(first_retraining: on_sqlite.First) -> Any:
    return first_retraining.outcome


@pytest.fixture(scope="module")
def uninterrupted(stack: Settings) -> Any:
    return json_of(stack, "retrain", *quick("longer", *on_sqlite.LONGER), "--no-promote")


@pytest.mark.long
def test_an_interrupted_run_resumes_and_equals_the_uninterrupted_one_to_the_bit(
    stack: Settings, storage: Storage, uninterrupted: Any
) -> None:
    ended = on_sqlite.test_an_interrupted_run_resumes_and_equals_the_uninterrupted_one_to_the_bit
    ended(signal.SIGTERM, 130, stack, storage, uninterrupted)


def test_runs_and_flow_runs_are_in_postgres_and_nothing_is_in_sqlite(
    first: Any, stack: Settings, postgres: PostgresServer
) -> None:
    training = first["version"]["evaluation"]["training"]
    runs = postgres.rows("mlflow", sql.SQL("SELECT run_uuid FROM runs"))
    assert (training["mlflow_run_id"],) in runs
    flow_runs = postgres.rows("prefect", sql.SQL("SELECT id::text FROM flow_run"))
    assert (training["flow_run_id"],) in flow_runs
    assert [path for path in stack.home.rglob("*.db*") if path.is_file()] == []


def test_the_password_is_in_no_argument_no_log_and_no_status(
    first: Any, stack: Settings, postgres: PostgresServer
) -> None:
    arguments = [part for process in psutil.process_iter(["cmdline"]) for part in process.info["cmdline"] or []]
    assert any("nanio" in part for part in arguments)
    assert not [part for part in arguments if postgres.password in part]
    logs = list((stack.home / "logs").iterdir())
    assert len(logs) >= 4
    assert not [log for log in logs if postgres.password in log.read_text()]
    shown = run(stack, "status", "--json", **variables(stack))
    assert '"healthy": true' in shown.stdout
    assert postgres.password not in shown.stdout + shown.stderr


def test_a_database_that_cannot_be_used_is_one_sentence_without_the_password(
    stack: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    idle = new_settings(tmp_path / "home")
    wrong = {**variables(stack), "WGAN_PREFECT_DATABASE_URL": postgres.url("nowhere")}
    result = run(idle, "up", "--detach", code=1, **wrong)
    assert 'database "nowhere" does not exist): check WGAN_PREFECT_DATABASE_URL.' in result.stderr
    assert postgres.password not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert strays(idle.home) == []


def test_a_backup_is_restored_into_empty_databases_and_serves_the_same_bytes(
    first: Any, stack: Settings, postgres: PostgresServer, tmp_path: Path
) -> None:
    ask = {"count": 4, "seed": 7}
    before = httpx.post(f"http://127.0.0.1:{stack.serve_port}/v1/images", json=ask)
    assert before.status_code == 200
    # As if a training held the only GPU slot at that moment.
    postgres.execute("prefect", sql.SQL("UPDATE concurrency_limit_v2 SET active_slots = 1 WHERE name = 'gpu'"))
    run(stack, "backup", str(tmp_path / "saved.tar"), **variables(stack))
    postgres.execute("prefect", sql.SQL("UPDATE concurrency_limit_v2 SET active_slots = 0 WHERE name = 'gpu'"))
    refused = run(stack, "restore", str(tmp_path / "saved.tar"), code=1, **variables(stack))
    assert "is up: `wgan down` stops it" in refused.stderr

    other = on_postgres(postgres, tmp_path / "home", "mlflow_2", "prefect_2", MODEL)
    of_sqlite = run(other, "restore", str(tmp_path / "saved.tar"), code=2)
    assert "mlflow database is a Postgres database: set WGAN_MLFLOW_DATABASE_URL" in of_sqlite.stderr
    taken = variables(stack)["WGAN_PREFECT_DATABASE_URL"]
    full = run(
        other,
        "restore",
        str(tmp_path / "saved.tar"),
        code=2,
        **{**variables(other), "WGAN_PREFECT_DATABASE_URL": taken},
    )
    assert "WGAN_PREFECT_DATABASE_URL) holds" in full.stderr
    assert postgres.password not in full.stderr
    assert not other.home.exists()

    report = json_of(other, "restore", str(tmp_path / "saved.tar"), **variables(other))
    assert report["databases"]["mlflow"] == f"mlflow_2 at 127.0.0.1:{postgres.port}"
    for table in ("runs", "metrics", "model_versions", "registered_model_aliases"):
        query = sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3").format(sql.Identifier(table))
        assert postgres.rows("mlflow_2", query) == postgres.rows("mlflow", query) != []
    taken_slots = sql.SQL("SELECT sum(active_slots) FROM concurrency_limit_v2")
    assert postgres.rows("prefect_2", taken_slots) == [(0,)]
    restored = start_stack(other)
    try:
        url = f"http://127.0.0.1:{other.serve_port}"
        wait_for(lambda: httpx.get(f"{url}/readyz").status_code == 200, 60)
        after = httpx.post(f"{url}/v1/images", json=ask)
        assert (after.headers["X-WGAN-Version"], after.content) == (before.headers["X-WGAN-Version"], before.content)
        assert json_of(other, "models", MODEL, "--history") == json_of(stack, "models", MODEL, "--history")
    finally:
        stop_stack(restored)
