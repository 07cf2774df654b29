"""SECURITY.md's table of attacks: attacker, attack, defence, and existing tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COLUMNS = 4
ATTACKERS = (
    "a web page",
    "a local user",
    "a network client",
    "a user of Prefect",
    "a writer of the bucket",
    "a writer of the registry",
    "the owner of a file",
)
TEST = re.compile(r"`(tests/[\w/]+\.py)`")


def rows() -> list[list[str]]:
    section = (ROOT / "SECURITY.md").read_text().partition("## Attacks, and what stops them")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_every_kind_of_attacker_is_listed(attacker: str) -> None:
    assert any(attacker in row[0] for row in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1]}"[:60])
def test_every_attack_has_a_defence_and_names_existing_tests(row: list[str]) -> None:
    assert len(row) == COLUMNS
    assert all(row)
    named = TEST.findall(row[-1])
    assert named or row[2].startswith("nothing")
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_file_of_the_attack_drills_is_named() -> None:
    named = {path for row in rows() for path in TEST.findall(row[-1])}
    drills = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/drills/attack").glob("test_*.py")}
    assert drills <= named
