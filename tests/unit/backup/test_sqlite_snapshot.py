"""A snapshot of an SQLite database shows one moment, while others write."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from wgan.backup.sqlite import free_slots, snapshot
from wgan.errors import WganError

WRITER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
print("writing", flush=True)
number = 0
while True:
    number += 1
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE counter SET value = ? WHERE name = 'left'", (number,))
    database.execute("INSERT INTO padding VALUES (?, zeroblob(2000))", (number,))
    database.execute("UPDATE counter SET value = ? WHERE name = 'right'", (number,))
    database.execute("COMMIT")
    time.sleep(0.002)
"""
"""Left and right are equal, and as many as there are rows of padding, at every moment but within a transaction."""


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_snapshot_is_of_one_moment_while_another_process_writes(mode: str, tmp_path: Path) -> None:
    live = tmp_path / "it's live.db"
    with closing(sqlite3.connect(live)) as database, database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("CREATE TABLE counter (name TEXT, value INTEGER)")
        database.execute("CREATE TABLE padding (number INTEGER, filler BLOB)")
        database.execute("INSERT INTO counter VALUES ('left', 0), ('right', 0)")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(live)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    seen = []
    try:
        assert writer.stdout.readline() == "writing\n"
        for number in range(4):
            snapshot(live, tmp_path / f"copy-{number}")
            with closing(sqlite3.connect(tmp_path / f"copy-{number}")) as copy:
                left, right = (value for (value,) in copy.execute("SELECT value FROM counter ORDER BY name"))
                rows = copy.execute("SELECT count(*) FROM padding").fetchone()[0]
            assert left == right == rows
            seen.append(left)
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert seen == sorted(seen)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("copy")} == {
        f"copy-{number}" for number in range(4)
    }


def test_a_file_that_is_not_a_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, whatever its name says" * 20)
    with pytest.raises(WganError, match=r"text\.db cannot be copied"):
        snapshot(tmp_path / "text.db", tmp_path / "copy")
    with pytest.raises(WganError, match=r"nowhere\.db cannot be copied"):
        snapshot(tmp_path / "nowhere.db", tmp_path / "copy-2")
    assert not (tmp_path / "nowhere.db").exists()


def test_slots_of_runs_on_the_lost_machine_are_released(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database, database:
        database.execute("CREATE TABLE concurrency_limit_v2 (name TEXT, active_slots INTEGER)")
        database.execute("INSERT INTO concurrency_limit_v2 VALUES ('gpu', 1), ('retraining-generator-digits', 1)")
    free_slots(tmp_path / "prefect.db")
    with closing(sqlite3.connect(tmp_path / "prefect.db")) as database:
        assert database.execute("SELECT sum(active_slots) FROM concurrency_limit_v2").fetchone() == (0,)
