"""What an object store says has changed, as its documentation writes it or as the store sent it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wgan.listening.notifications import Change, NotANotification, changes_of


def changes(message: Any) -> list[Change]:
    return list(changes_of(json.dumps(message).encode()))


def record(event: str, key: str) -> dict[str, Any]:
    """As https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html has it."""
    return {"eventVersion": "2.1", "eventName": event, "s3": {"bucket": {"name": "faces"}, "object": {"key": key}}}


def test_the_records_of_s3_have_encoded_keys() -> None:
    message = {"Records": [record("ObjectCreated:Put", "new/a+b%2Bc.png"), record("ObjectRemoved:Delete", "old.png")]}
    assert changes(message) == [Change("faces", "new/a b+c.png"), Change("faces", "old.png")]


def test_minio_sends_the_same_records_with_a_prefix() -> None:
    message = {
        "EventName": "s3:ObjectCreated:Put",
        "Key": "faces/new/1.png",
        "Records": [record("s3:ObjectCreated:Put", "new%2F1.png")],
    }
    assert changes(message) == [Change("faces", "new/1.png")]


def test_reading_an_object_and_setting_notifications_up_change_nothing() -> None:
    assert changes({"Records": [record("s3:ObjectAccessed:Get", "1.png")]}) == []
    assert changes({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "faces"}) == []


def test_eventbridge_has_plain_keys() -> None:
    detail = {"bucket": {"name": "faces"}, "object": {"key": "new/a+b.png", "size": 1}}
    message = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    assert changes(message) == [Change("faces", "new/a+b.png")]
    assert changes({**message, "detail-type": "Object Tags Added"}) == []


def filer(key: str, kind: str = "create", directory: bool = False) -> dict[str, Any]:
    entry = {"name": key.rpartition("/")[2], **({"is_directory": True} if directory else {})}
    return {"key": key, "event_type": kind, "message": {"new_entry": entry}}


def test_seaweedfs_names_paths_of_its_filer() -> None:
    assert changes(filer("/buckets/faces/new/1.png")) == [Change("faces", "new/1.png")]
    assert changes(filer("/buckets/faces/new/1.png", "delete")) == [Change("faces", "new/1.png")]


@pytest.mark.parametrize(
    "message",
    [
        filer("/buckets/faces/new", directory=True),
        filer("/buckets/faces"),
        filer("/buckets/faces/.uploads/4f/0001.part"),
        filer("/etc/seaweedfs/identities"),
    ],
)
def test_folders_and_parts_of_uploads_of_seaweedfs_are_no_objects(message: dict[str, Any]) -> None:
    assert changes(message) == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xff", b"[]", b"{}", b'"text"', b"null", b"[" * 100_000),
        *(b'{"Records": [{}]}', b'{"Records": 3}', b'{"event_type": "create", "key": ["/buckets/a/b"]}'),
        b'{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 1}, "object": {"key": "a"}}}]}',
    ],
)
def test_anything_else_is_refused_in_a_few_words(body: bytes) -> None:
    with pytest.raises(NotANotification, match=r"it is not JSON|it has not the fields"):
        changes_of(body)
