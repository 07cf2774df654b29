"""The configuration page lists everything that can be set, with its default and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from wgan.config import RetrainConfig
from wgan.config_promotion import CanaryConfig
from wgan.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Dotted name and description of every field that holds a value."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields_of(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description


FIELDS = [
    *fields_of(RetrainConfig),
    *((f"promotion.canary.{name}", field.description) for name, field in CanaryConfig.model_fields.items()),
]
VARIABLES = [(f"WGAN_{name.upper()}", field.description) for name, field in Settings.model_fields.items()]


@pytest.mark.parametrize(("name", "description"), FIELDS + VARIABLES)
def test_every_name_that_can_be_set_is_documented_with_its_meaning(name: str, description: str) -> None:
    assert description
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {description} |")


def test_nothing_is_documented_that_cannot_be_set() -> None:
    rows = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(name for name, _ in FIELDS + VARIABLES)
