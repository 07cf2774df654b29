"""A task's result in the bucket is read as JSON of this pipeline's records, or not at all."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import JSONSerializer

from tasks.results import READER, UnknownResult, as_json_result
from wgan.records import ServingCheck

CHECK = ServingCheck(url="http://127.0.0.1:8080", outcome="confirmed", reason="it draws version 1", seconds=0.5)


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


def stored(result: str, **metadata: Any) -> bytes:
    return json.dumps({"metadata": metadata, "result": result}).encode()


def read(data: bytes) -> Any:
    """Read a result as Prefect does."""
    return ResultRecord.deserialize(as_json_result(data), backup_serializer=JSONSerializer()).result


def test_stored_results_are_read_back() -> None:
    metadata = ResultRecordMetadata(storage_key="key", serializer=JSONSerializer())
    data = ResultRecord(metadata=metadata, result=(CHECK, None)).serialize()
    assert read(data) == [CHECK, None]


@pytest.mark.parametrize("kind", ["pickle", "compressed/pickle", "json", "nonsense"])
def test_a_pickle_is_not_executed_despite_its_metadata(tmp_path: Path, kind: str) -> None:
    proof = tmp_path / "executed"
    data = stored(base64.encodebytes(pickle.dumps(Attack(proof))).decode(), serializer={"type": kind})
    with pytest.raises(UnknownResult):
        read(data)
    assert not proof.exists()


def test_json_is_read_as_json_despite_its_metadata() -> None:
    assert read(stored("[1, 2]", serializer={"type": "pickle", "picklelib": "subprocess"})) == [1, 2]
    assert json.loads(as_json_result(stored("1", serializer={"type": "pickle"})))["metadata"]["serializer"] == READER


@pytest.mark.parametrize(
    "name",
    [
        "subprocess.getoutput",
        "os.system",
        "wgan.__main__.main",
        "antigravity.fly",
        "wgan.errors.WganError",
        "builtins.exec",
    ],
)
def test_the_class_named_by_a_result_is_neither_called_nor_imported(name: str) -> None:
    """Prefect's own reader calls `subprocess.getoutput(cmd=…)` for the first of these."""
    with pytest.raises(UnknownResult, match="not a record of this pipeline"):
        read(stored(json.dumps({"__class__": name, "data": {"cmd": "false"}})))


def test_an_exception_is_not_a_result() -> None:
    with pytest.raises(UnknownResult):
        read(stored(json.dumps({"__exc_type__": "builtins.SystemExit", "message": "1"})))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04.",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        stored("["),
        stored(json.dumps({"__class__": []})),
    ],
)
def test_other_content_is_not_a_result(data: bytes) -> None:
    with pytest.raises(UnknownResult):
        read(data)


def test_a_record_with_other_fields_is_not_a_result() -> None:
    with pytest.raises(UnknownResult):
        read(stored(json.dumps({"__class__": "wgan.records.ServingCheck", "data": {"url": 1}})))
