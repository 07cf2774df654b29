"""What an object store says has changed, in the formats of AWS, MinIO and SeaweedFS.

- AWS S3, and MinIO's webhook, which has the same records: `{"Records": [{"eventName": …, "s3": {…}}]}`.
- AWS EventBridge: `{"source": "aws.s3", "detail-type": "Object Created", "detail": {…}}`.
- SeaweedFS's webhook, with the filer's paths: `{"key": "/buckets/<bucket>/<key>", "event_type": "create", …}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

BUCKETS = "/buckets/"
"""Folder of all buckets in SeaweedFS's filer."""
UNFINISHED = ".uploads/"
"""Folder of the parts of unfinished uploads in a bucket there."""
RECORDED = ("ObjectCreated:", "ObjectRemoved:")
DETAILED = ("Object Created", "Object Deleted")


class NotANotification(ValueError):
    """The message is not in one of these formats; the reason is a few words."""


@dataclass(frozen=True)
class Change:
    """An object that was written or removed."""

    bucket: str
    key: str


def changes_of(body: bytes) -> tuple[Change, ...]:
    """The objects that a notification says were written or removed; none for one about something else.

    Raises `NotANotification`.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise NotANotification("it is not JSON") from None
    try:
        return tuple(_changes(message))
    except (KeyError, TypeError, AttributeError):
        raise NotANotification("it has not the fields of a notification of S3 or SeaweedFS") from None


def _changes(message: Any) -> Iterator[Change]:
    if "Records" in message:
        for record in message["Records"]:
            if record["eventName"].removeprefix("s3:").startswith(RECORDED):
                yield _change(record["s3"], encoded=True)
    elif message.get("source") == "aws.s3":
        if message["detail-type"] in DETAILED:
            yield _change(message["detail"], encoded=False)
    elif "event_type" in message:
        yield from _filer_changes(message)
    elif message.get("Event") != "s3:TestEvent":  # AWS sends that when notifications are set up
        raise KeyError("Records")


def _change(named: Any, encoded: bool) -> Change:
    bucket, key = named["bucket"]["name"], named["object"]["key"]
    return Change(_text(bucket), unquote_plus(_text(key)) if encoded else _text(key))


def _filer_changes(message: Any) -> Iterator[Change]:
    """SeaweedFS also tells of folders, of unfinished uploads, and of paths outside buckets."""
    entries = [entry for name in ("new_entry", "old_entry") if (entry := (message.get("message") or {}).get(name))]
    path = _text(message["key"])
    bucket, _, key = path.removeprefix(BUCKETS).partition("/")
    is_object = path.startswith(BUCKETS) and key and not key.startswith(UNFINISHED)
    if is_object and not any(entry.get("is_directory") for entry in entries):
        yield Change(bucket, key)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
