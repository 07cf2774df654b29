"""Builds a run's configuration from a preset, a YAML file and `section.field=value` assignments."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from wgan.config import LOCATED_SOURCES, RetrainConfig
from wgan.config_text import TextLoader, read_yaml, typed
from wgan.errors import UsageError


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 120
    return brief.repr(value)


def preset_names() -> list[str]:
    """Names of the presets that ship with the package, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in resources.files("wgan.presets").iterdir()
        if entry.name.endswith(".yaml")
    )


def preset_values(name: str) -> dict[str, Any]:
    """The raw values of a preset. Raises `UsageError` listing the existing ones."""
    if name not in preset_names():
        raise UsageError(f"there is no preset {name!r}; choose one of {', '.join(preset_names())}.")
    text = resources.files("wgan.presets").joinpath(f"{name}.yaml").read_text()
    return _mapping(yaml.load(text, TextLoader), f"preset {name}")  # a SafeLoader


def example_config(name: str) -> RetrainConfig:
    """The configuration of a preset; if it needs a location and a name, `/path/to/images` and `name` stand in."""
    data = preset_values(name).get("data", {})
    needs = data.get("source") in LOCATED_SOURCES and "location" not in data
    return load_config(name, sections={"data": {"location": "/path/to/images", "name": "name"}} if needs else None)


def load_config(
    preset: str | None = None,
    file: Path | None = None,
    assignments: Sequence[str] = (),
    sections: Mapping[str, Any] | None = None,
) -> RetrainConfig:
    """Build a run's configuration from preset, file, `section.field=value` assignments and raw sections, in order.

    Text is parsed by its field's type (`training.lr=1e-4`, `data.name=007`). Raises `UsageError` in one sentence
    that names the field, the value and what is allowed.
    """
    values: dict[str, Any] = preset_values(preset) if preset else {}
    if file is not None:
        where = f"configuration file {file}"
        values = _merged(values, _mapping(read_yaml(file, where), where))
    values = _merged(values, _assigned(assignments))
    if sections:
        values = _merged(values, sections)
    return parse_config(values)


def changed_config(config: RetrainConfig, assignments: Sequence[str]) -> RetrainConfig:
    """The configuration with `section.field=value` assignments applied. Raises `UsageError` in one sentence."""
    return parse_config(_merged(config.model_dump(mode="json"), _assigned(assignments)))


def parse_config(values: Mapping[str, Any]) -> RetrainConfig:
    """Validate raw values. Raises `UsageError` in one sentence: the field, the value and what is allowed."""
    try:
        return RetrainConfig.model_validate(typed(values, RetrainConfig))
    except ValidationError as error:
        raise UsageError(_sentence(error)) from None


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{where} must hold sections ({', '.join(RetrainConfig.model_fields)}), not {shown(value)}.")
    return value


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = _merged(result[name], value) if both else value
    return result


def _assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """The values of `section.field=value` assignments, as text; a field may have fields of its own."""
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        *sections, field = name.strip().split(".")
        if not equals or not sections or not all((*sections, field)):
            raise UsageError(f"--set {text!r} is not of the form section.field=value, for example training.lr=1e-4.")
        known = values
        for section in sections:
            known = known.setdefault(section, {})
            if not isinstance(known, dict):
                raise UsageError(f"--set gives both {name.strip()} and {section}, which contains it.")
        if known.setdefault(field, value) != value:
            raise UsageError(f"--set gives {name.strip()} twice: {shown(known[field])} and {shown(value)}.")
    return values


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no setting {name}; {_siblings(first['loc'])}."
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ").rstrip(".") + "."
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{name}={shown(first['input'])} is not allowed: {message}."


def _siblings(location: Sequence[int | str]) -> str:
    model: Any = RetrainConfig
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        model = next((kind for kind in get_args(annotation) if hasattr(kind, "model_fields")), annotation)
    where = ".".join(str(part) for part in location[:-1]) or "the top level"
    return f"{where} has {', '.join(model.model_fields)}"
