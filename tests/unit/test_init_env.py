"""`wgan init-env` writes the containers' secrets once, readable only by their owner."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from wgan.commands.init_env import new_env_file, write_env_file
from wgan.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_file_is_readable_by_its_owner_only_with_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_env_file(tmp_path / ".env")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_an_existing_file_is_not_changed_and_the_message_names_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MINE=1\n")
    with pytest.raises(UsageError, match=rf"^{re.escape(str(path))} already exists and is not overwritten") as refused:
        write_env_file(path)
    assert path.read_text() == "MINE=1\n"
    assert str(refused.value).count("\n") == 0


def test_a_file_that_cannot_be_created_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere/\.env cannot be written \(No such file or directory\)"):
        write_env_file(tmp_path / "nowhere" / ".env")


def test_all_secrets_differ_within_and_between_files(tmp_path: Path) -> None:
    values = []
    for name in ("one", "two"):
        (tmp_path / name).write_text(new_env_file())
        values += [value for value in dotenv_values(tmp_path / name).values() if value]
    assert len(values) == len(set(values)) > 20


def test_it_sets_exactly_the_variables_that_compose_needs(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(new_env_file())
    asked = set(re.findall(r"\$\{(\w+):\?", (CHECKOUT / "infra" / "compose.yaml").read_text()))
    assert set(dotenv_values(tmp_path / ".env")) == asked
