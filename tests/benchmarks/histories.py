"""Makes long histories in seconds: rows copied straight into the databases of MLflow and Prefect, and small objects.

Training 10,000 versions would take weeks. Each version, run and ledger entry is a copy of one that the pipeline itself
wrote, with other numbers, names and ids.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from wgan.records import LedgerEntry
from wgan.registry.intent import AFTER_TAG, FIRST, INTENT_TAG, OUTCOME_TAG
from wgan.registry.ledger import entry_key
from wgan.settings import Settings
from wgan.storage import Storage

WRITERS = 16
PROMOTED_EVERY = 3
Row = dict[str, Any]


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction beside the server that has the database open."""
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(connection: sqlite3.Connection, table: str, **where: object) -> list[Row]:
    """The table's rows with these values."""
    wanted = " AND ".join(f"{column} = ?" for column in where) or "1"
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {wanted}", tuple(where.values()))]


def insert(connection: sqlite3.Connection, table: str, new: Iterable[Row]) -> None:
    """Add the rows, which have the same columns."""
    rows = list(new)
    if rows:
        columns = list(rows[0])
        marks = ", ".join("?" * len(columns))
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", [tuple(row.values()) for row in rows]
        )


def put_objects(storage: Storage, objects: Iterable[tuple[str, bytes]]) -> None:
    """Write small objects, several at a time."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda entry: storage.put_bytes(*entry), objects))


def ledger_entries(pattern: LedgerEntry, versions: range, previous: LedgerEntry) -> list[LedgerEntry]:
    """An entry about each version, after `previous`; a third are promotions, the others refusals."""
    entries = []
    champion = previous.to_version
    for version in versions:
        action = "promoted" if version % PROMOTED_EVERY == 0 else "refused"
        previous = pattern.model_copy(
            update={
                "id": uuid.uuid4().hex[:12],
                "number": (previous.number or 0) + 1,
                "previous": previous.id,
                "action": action,
                "from_version": champion,
                "to_version": version,
                "flow_run_id": str(uuid.uuid4()),
            }
        )
        champion = version if action == "promoted" else champion
        entries.append(previous)
    return entries


def add_versions(home: Path, settings: Settings, storage: Storage, entries: list[LedgerEntry]) -> None:
    """For each entry: its version, the version's run, its checkpoints and its object in the ledger; and the aliases."""
    model = entries[0].model_name
    with database(home / "mlflow.db") as mlflow:
        [version] = rows(mlflow, "model_versions", name=model, version=1)
        tags = rows(mlflow, "model_version_tags", name=model, version=1)
        [run] = rows(mlflow, "runs", run_uuid=version["run_id"])
        of_run = {
            table: rows(mlflow, table, run_uuid=version["run_id"]) for table in ("tags", "params", "latest_metrics")
        }
        ids = [uuid.uuid4().hex for _ in entries]
        insert(mlflow, "runs", ({**run, "run_uuid": new, "name": new[:8]} for new in ids))
        for table, parts in of_run.items():
            insert(mlflow, table, ({**part, "run_uuid": new} for new in ids for part in parts))
        insert(
            mlflow,
            "model_versions",
            ({**version, "version": entry.to_version, "run_id": new} for entry, new in zip(entries, ids, strict=True)),
        )
        insert(
            mlflow,
            "model_version_tags",
            (
                {**tag, "version": entry.to_version, "value": _tag(tag["key"], tag["value"], entry)}
                for entry in entries
                for tag in tags
            ),
        )
        *_, former, champion = (entry.to_version for entry in entries if entry.action == "promoted")
        for alias, number in (("champion", champion), ("previous", former)):
            mlflow.execute(
                "INSERT OR REPLACE INTO registered_model_aliases (workspace, name, alias, version) VALUES (?, ?, ?, ?)",
                (version["workspace"], model, alias, number),
            )
    put_objects(storage, ((entry_key(entry, settings), entry.model_dump_json(indent=2).encode()) for entry in entries))
    prefix = settings.checkpoints_prefix
    put_objects(storage, ((f"{prefix}/{entry.flow_run_id}/latest.json", b"{}") for entry in entries))


def add_flow_runs(home: Path, ids: Iterable[str]) -> None:
    """A flow run of the only schedule for each id, else like the newest one that has ended."""
    with database(home / "prefect.db") as prefect:
        pattern = dict(
            prefect.execute(
                "SELECT * FROM flow_run WHERE state_type = 'COMPLETED' ORDER BY end_time DESC LIMIT 1"
            ).fetchone()
        )
        [state] = rows(prefect, "flow_run_state", id=pattern["state_id"])
        states = {flow_run: str(uuid.uuid4()) for flow_run in ids}
        [schedule] = rows(prefect, "deployment", name="digits")
        changed = {"auto_scheduled": 0, "idempotency_key": None, "deployment_id": schedule["id"]}
        insert(
            prefect,
            "flow_run",
            ({**pattern, **changed, "id": flow_run, "state_id": own} for flow_run, own in states.items()),
        )
        insert(
            prefect,
            "flow_run_state",
            ({**state, "id": own, "flow_run_id": flow_run} for flow_run, own in states.items()),
        )


def _tag(key: str, value: str, entry: LedgerEntry) -> str:
    """The version's tag; those that name the entry, the run or the data are the version's own."""
    own = {
        INTENT_TAG: entry.model_dump_json(),
        AFTER_TAG: entry.previous or FIRST,
        OUTCOME_TAG: f"done:{entry.id}",
        "gate": entry.action,
        "flow_run_id": entry.flow_run_id or "",
        "data_digest": uuid.uuid4().hex * 2,
        "checkpoint_uri": f"s3://{entry.model_name}/checkpoints/{entry.flow_run_id}/step-00000001.pt",
    }
    return own.get(key, value)


def photographs(prefix: str, numbers: range) -> Iterator[tuple[str, bytes]]:
    """Objects that a listing takes for images; none is read."""
    for number in numbers:
        yield f"{prefix}/{number % 100:02d}/{number:06d}.jpg", json.dumps(number).encode()
