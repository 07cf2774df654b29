"""Whether a Postgres database has the tables of the installed version of Prefect or MLflow."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
from pathlib import Path

FOLDERS = {
    "prefect": ("prefect", "server/database/_migrations/versions/postgresql"),
    "mlflow": ("mlflow", "store/db_migrations/versions"),
}
URLS = {"prefect": "PREFECT_SERVER_DATABASE_CONNECTION_URL", "mlflow": "MLFLOW_BACKEND_STORE_URI"}


@functools.cache
def newest_revision(name: str) -> str:
    """The revision that no other one follows, of those in the package."""
    package, inside = FOLDERS[name]
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    revisions, followed = set(), set()
    for file in (Path(spec.origin).parent / inside).glob("*.py"):
        values = {}
        for node in ast.parse(file.read_bytes()).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name):
                values[target.id] = node.value
        if "revision" not in values:
            continue
        revisions.add(ast.literal_eval(values["revision"]))
        before = ast.literal_eval(values["down_revision"])
        followed.update(before if isinstance(before, tuple) else [before])
    (newest,) = revisions - followed
    return str(newest)


def migration_obstacle(name: str) -> str | None:
    """What keeps the database from being ready, in words; None when it is."""
    import psycopg

    url = os.environ[URLS[name]]
    plain = "postgresql://" + url.split("://", 1)[1]
    try:
        with psycopg.connect(plain, connect_timeout=4) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        found = None
    except psycopg.Error as error:
        return f"the database of {name} takes no connection ({str(error).strip().splitlines()[0]})"
    wanted = newest_revision(name)
    if found != (wanted,):
        return f"the database of {name} is at {found[0] if found else 'no revision'} and not yet at {wanted}"
    return None
