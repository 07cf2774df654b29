"""Custom code, named in a configuration by import path, and the modules this machine may import.

`training.objective: my_losses:HingeObjective` is the class `HingeObjective` of the module `my_losses`. Importing a
module runs its code, and a configuration can come from a checkpoint, from a registered version or through Prefect's
API. An import path in it is therefore only a request: a module is imported only if this machine's operator lists it, or
its package, in `WGAN_PLUGINS`, and only what the module itself defines is called.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from wgan.errors import UsageError

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
IMPORT_PATH = rf"{NAME}(\.{NAME})*:{NAME}"
Expected = TypeVar("Expected")


class PluginCode(BaseModel):
    """The code that an import path referred to in a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="Import path, module:name.")
    distribution: str | None = Field(description="The installed distribution that holds the module; None: none does.")
    version: str | None = Field(description="Its version.")
    sha256: str = Field(description="SHA-256 over the source of the module, or of every module of its package.")

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}" if self.distribution else "no distribution"
        return f"{self.path} ({origin}, sha256 {self.sha256})"


@dataclass(frozen=True)
class HoldsPaths:
    """Marks a field whose value is, or lists, import paths."""


def name_or_path(*names: str) -> tuple[AfterValidator, WithJsonSchema, HoldsPaths]:
    """Restricts a text field to these names or an import path: `Annotated[str, *name_or_path("a", "b")]`."""

    def check(value: str) -> str:
        if value not in names and not is_import_path(value):
            *others, last = map(repr, names)
            listed = f"{', '.join(others)} or {last}" if others else last
            raise PydanticCustomError("name_or_path", f"input should be {listed}, or an import path 'module:name'")
        return value

    pattern = "|".join([*names, IMPORT_PATH])
    schema = WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})
    return AfterValidator(check), schema, HoldsPaths()


def _import_path(value: str) -> str:
    if not is_import_path(value):
        raise PydanticCustomError("import_path", "input should be an import path 'module:name'")
    return value


ImportPath = Annotated[
    str, AfterValidator(_import_path), WithJsonSchema({"type": "string", "pattern": f"^{IMPORT_PATH}$"})
]


def is_import_path(value: str) -> bool:
    """Whether a text has the form `package.module:name`."""
    return re.fullmatch(IMPORT_PATH, value) is not None


def plugin_paths(config: BaseModel) -> dict[str, str]:
    """Import path → dotted name of its field, for every import path in a configuration."""
    found: dict[str, str] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            found |= {path: f"{name}.{inner}" for path, inner in plugin_paths(value).items()}
        elif any(isinstance(mark, HoldsPaths) for mark in field.metadata):
            texts = (value,) if isinstance(value, str) else value
            found |= {text: name for text in texts if is_import_path(text)}
    return found


def require_plugins(config: BaseModel, *sections: str) -> tuple[PluginCode, ...]:
    """Import the code a configuration names, in these sections or everywhere; returns which code that is.

    Raises `UsageError` in one sentence.
    """
    found = plugin_paths(config).items()
    return tuple(
        plugin_code(field, path) for path, field in found if not sections or field.partition(".")[0] in sections
    )


def load_plugin(field: str, path: str) -> Any:
    """The class or function that an import path names; `field` is its field, for messages.

    Raises `UsageError` if this machine does not allow the module, or the module has no such name.
    """
    module_name, _, name = path.partition(":")
    module = _import(field, path)
    if not hasattr(module, name):
        raise UsageError(f"{field}={path}: the module {module_name} has no {name}.")
    value = getattr(module, name)
    if not callable(value) or not _is_allowed(getattr(value, "__module__", None) or ""):
        raise UsageError(f"{field}={path}: {name} is not a class or function that {module_name} defines.")
    return value


def make_plugin(field: str, path: str, expected: type[Expected], *arguments: Any, **named: Any) -> Expected:
    """The result of the import path's class or function for these arguments, which must be an `expected`.

    `expected` is a class or a runtime-checkable protocol. Raises `UsageError` in one sentence.
    """
    factory = load_plugin(field, path)
    try:
        made = factory(*arguments, **named)
    except Exception as error:  # the code is the user's
        raise UsageError(
            f"{field}={path} failed with {type(error).__name__}: {' '.join(str(error).split())}."
        ) from error
    if not isinstance(made, expected):
        missing = [name for name in vars(expected) if not name.startswith("_") and not hasattr(made, name)]
        lacks = f", which lacks {', '.join(missing)}" if missing else ""
        raise UsageError(
            f"{field}={path} returned a value of type {type(made).__name__}{lacks}; it must return what "
            f"{expected.__module__}.{expected.__name__} describes."
        )
    return made


def plugin_code(field: str, path: str) -> PluginCode:
    """The code that an import path refers to on this machine. Raises what `load_plugin` raises."""
    load_plugin(field, path)
    module = _import(field, path)
    top = module.__name__.partition(".")[0]
    owners = _distributions_of_modules().get(top, [])
    distribution = owners[0] if owners else None
    return PluginCode(
        path=path,
        distribution=distribution,
        version=metadata.version(distribution) if distribution else None,
        sha256=_source_digest(importlib.import_module(top)),
    )


@cache
def _distributions_of_modules() -> Mapping[str, list[str]]:
    """Top-level module → distributions; reading every distribution's metadata takes a second."""
    return metadata.packages_distributions()


def _import(field: str, path: str) -> ModuleType:
    name = path.partition(":")[0]
    if not _is_allowed(name):
        allowed = _allowed_modules() or "none"
        raise UsageError(
            f"{field}={path}: this machine does not import {name}; the setting WGAN_PLUGINS names the modules that a "
            f"configuration may use (now: {allowed})."
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{field}={path}: there is no module {error.name}; install it into this environment, or put its folder on "
            "PYTHONPATH."
        ) from None
    except Exception as error:  # the code is the user's
        reason = " ".join(str(error).split())
        raise UsageError(f"{field}={path}: importing {name} failed with {type(error).__name__}: {reason}.") from error


def _allowed_modules() -> str:
    from wgan.settings import load_settings  # configurations are also read where settings are not available

    return load_settings().plugins


def _is_allowed(module: str) -> bool:
    allowed = [name.strip() for name in _allowed_modules().split(",") if name.strip()]
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def _source_digest(top: ModuleType) -> str:
    """Digest of the relative names and contents of a package's Python files, or of a module's file."""
    folders = [Path(folder) for folder in getattr(top, "__path__", [])]
    files = [(file.relative_to(folder).as_posix(), file) for folder in folders for file in folder.rglob("*.py")]
    if not folders:
        file = Path(getattr(top, "__file__", None) or "")
        if not file.is_file():
            raise UsageError(f"the source of {top.__name__} cannot be read and recorded: put the code into a file.")
        files = [(file.name, file)]
    digest = hashlib.sha256()
    for name, file in sorted(files):
        digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
