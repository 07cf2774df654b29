"""A model registry and a bucket in memory; each write can be delayed or be the last of its process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from wgan.errors import ObjectMissing
from wgan.mlflow_api.models import Models, ModelVersion, RegisteredModel
from wgan.storage import Storage, StoredObject

MODEL = "generator-memory"


@dataclass
class Servers:
    """Persistent state: one model's aliases and versions with their tags, and objects by key."""

    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)


class Process:
    """One process's client of both. `before_write` is called with the number of each write, counted from 0."""

    def __init__(self, servers: Servers, before_write: Callable[[int], None] = lambda number: None) -> None:
        self.servers = servers
        self._before_write = before_write
        self.writes: list[str] = []
        """A description of each write."""

    @property
    def models(self) -> Models:
        return cast(Models, self)

    @property
    def storage(self) -> Storage:
        return cast(Storage, self)

    def _write(self, what: str) -> None:
        self.writes.append(what)
        self._before_write(len(self.writes) - 1)

    # As MLflow's registry

    def model(self, name: str) -> RegisteredModel:
        return RegisteredModel.model_validate({"name": name, "aliases": self.servers.aliases})

    def version(self, name: str, number: int) -> ModelVersion | None:
        tags = self.servers.tags.get(str(number))
        return None if tags is None else ModelVersion(name=name, version=number, tags=dict(tags))

    def newest_versions(self, name: str, a_page: int, wanted: str | None = None) -> Iterator[ModelVersion]:
        """The filter, if any, is one of a tag's value."""
        tag, value = re.fullmatch("tags.`(.+)` = '(.+)'", wanted).groups() if wanted else (None, None)
        for number, tags in sorted(self.servers.tags.items(), reverse=True):
            if wanted is None or tags.get(tag) == value:
                yield ModelVersion(name=name, version=int(number), tags=dict(tags))

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self._write(f"{alias}={number}")
        self.servers.aliases[alias] = str(number)

    def delete_alias(self, name: str, alias: str) -> None:
        self._write(f"no {alias}")
        self.servers.aliases.pop(alias, None)

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        self._write(key)
        self.servers.tags[str(number)][key] = value

    # As a bucket

    def uri(self, key: str) -> str:
        return f"s3://memory/{key}"

    def exists(self, key: str) -> bool:
        return key in self.servers.objects

    def get_bytes(self, key: str) -> bytes:
        try:
            return self.servers.objects[key]
        except KeyError:
            raise ObjectMissing(f"there is no {self.uri(key)}.") from None

    def put_bytes(self, key: str, data: bytes, content_type: str = "") -> str:
        self._write(key)
        self.servers.objects[key] = data
        return self.uri(key)

    def delete(self, key: str) -> None:
        self._write(f"no {key}")
        self.servers.objects.pop(key, None)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        stored: Mapping[str, bytes] = dict(self.servers.objects)
        for key in sorted(stored):
            if key.startswith(prefix) and key > after:
                yield StoredObject(key, len(stored[key]), datetime.now(UTC), "etag")


@contextmanager
def opened(process: Process) -> Iterator[Models]:
    """Replaces `wgan.registry.client.registry`."""
    yield process.models
