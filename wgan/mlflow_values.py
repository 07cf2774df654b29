"""Values in MLflow's answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

LATEST_MILLISECONDS = 253_402_300_799_000
"""The end of the year 9999."""

Milliseconds = Annotated[int, Field(ge=0, le=LATEST_MILLISECONDS)]
"""Milliseconds since 1970."""


def _by_key(value: Any) -> Any:
    return _mapping(value, "key", "value")


def _by_alias(value: Any) -> Any:
    return _mapping(value, "alias", "version")


def _mapping(value: Any, key: str, content: str) -> Any:
    if not isinstance(value, list):
        return value
    try:
        return {entry[key]: entry.get(content, "") for entry in value}
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"not a list of objects with {key} and {content}") from None


Tags = Annotated[dict[str, str], BeforeValidator(_by_key)]
"""Sent as a list of objects with `key` and `value`."""
Metrics = Annotated[dict[str, float], BeforeValidator(_by_key)]
"""Metric → its last value; sent as a list of objects with `key` and `value`."""
Aliases = Annotated[dict[str, int], BeforeValidator(_by_alias)]
"""Alias → version; sent as a list of objects with `alias` and `version`."""
