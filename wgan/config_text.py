"""Configurations as text: YAML and assignments whose values are parsed by their field's type, never guessed.

YAML would take `007` for 7, `010` for 8, `1:30` for 90, `on` for true and `2024-01-15` for a date. Here a scalar is
text until the schema determines its type.
"""

from __future__ import annotations

import contextlib
import math
import re
import stat
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from wgan.errors import UsageError

MOST_BYTES = 2**20
"""Maximum size of a YAML file; a larger one is not a configuration."""
OWN_PIPES = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
NULLS = ("", "~", "null", "Null", "NULL")


class TextLoader(yaml.SafeLoader):
    """YAML whose scalars are text, or null; without aliases, a few lines of which can expand to gigabytes."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As `yaml.SafeLoader`, but an alias is an error."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not read",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As `yaml.SafeLoader`, but a duplicate key is an error."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


TextLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), None)


def yaml_text(config: BaseModel) -> str:
    """A configuration with all its fields as YAML, which parses to the same configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def read_yaml(file: Path, where: str) -> Any:
    """The content of a YAML file, scalars as text. Raises `UsageError` in one sentence that starts with `where`."""
    try:
        return yaml.load(_read(file, where), TextLoader)  # a SafeLoader
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror or error}.") from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{where} is not YAML: {' '.join(str(error).split())}.") from None


def typed(values: Any, model: type[BaseModel]) -> Any:
    """Raw values with their text parsed by the types of the model's fields; unparsable text stays text."""
    if not isinstance(values, dict):
        return values
    result = dict(values)
    for name, field in model.model_fields.items():
        if name in result:
            result[name] = _typed(result[name], field.annotation)
    return result


def _read(file: Path, where: str) -> str:
    """The text of a file, or of a pipe opened by the shell; never of a named pipe, which could block forever."""
    if not str(file).startswith(OWN_PIPES) and not stat.S_ISREG(file.stat().st_mode):
        raise UsageError(f"{where} is not a file.")
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UsageError(f"{where} has more than {MOST_BYTES:,} bytes: it is not a configuration.")
    return content.decode()


def _typed(value: Any, annotation: Any) -> Any:
    if _is_section(annotation):
        return typed(_section(value), annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _typed(value, arguments[0])
    if origin in (Union, UnionType):
        [*inner] = [argument for argument in arguments if argument is not NoneType]
        nothing = ("",) if inner == [str] else (*NULLS, "none") if _is_section(inner[0]) else NULLS
        empty = isinstance(value, str) and value.strip() in nothing
        return None if empty and NoneType in arguments else _typed(value, inner[0] if len(inner) == 1 else str)
    if origin is tuple:
        if isinstance(value, str):
            value = _parts(value)
        part_type: Any = next((argument for argument in arguments if argument is not ...), str)
        return [_typed(part, part_type) for part in value] if isinstance(value, list) else value
    if not isinstance(value, str):
        return value
    if origin is Literal:
        return next((choice for choice in arguments if str(choice) == value.strip()), _number(value, arguments))
    return _number(value, (annotation() if annotation in (int, float) else annotation,))


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section(value: Any) -> Any:
    """A section given as text, `{percent: 10, minutes: 5}`, parsed as YAML; anything else is unchanged."""
    if not (isinstance(value, str) and value.strip().startswith("{")):
        return value
    try:
        return yaml.load(value, TextLoader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        return value


def _parts(text: str) -> Any:
    """The items of a list as text: `[a, "b"]` is parsed as YAML, anything else is split at commas."""
    plain = text.strip()
    if plain.startswith("["):
        try:
            return yaml.load(plain, TextLoader)  # a SafeLoader
        except (yaml.YAMLError, ValueError, RecursionError):
            return text
    return [part.strip() for part in plain.strip("()").split(",")] if plain else []


def _number(text: str, examples: tuple[Any, ...]) -> Any:
    """The text as a number if the examples are numbers; else the text."""
    if not all(type(example) in (int, float) for example in examples):
        return text
    plain = text.strip().replace(".nan", "nan").replace(".inf", "inf")
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            number = kind(plain)
            too_long = math.isinf(number) and "inf" not in plain.lower()
            return text if too_long else number
    return text
