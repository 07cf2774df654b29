"""A list of checkpoints is valid or refused; an invalid one never means a start at step 0."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.refusals import read_or_refused
from tests.unit.registry.registry_in_memory import Process, Servers
from wgan.errors import CheckpointError
from wgan.settings import Settings
from wgan.storage.checkpoints import checkpoint_key, checkpoint_prefix, fetch_newest, latest_checkpoints

RUN = "a-run"
SETTINGS = Settings()
PREFIX = checkpoint_prefix(RUN, SETTINGS)
ENTRY = {"step": 100, "key": checkpoint_key(PREFIX, 100), "sha256": "ab" * 32, "bytes": 5}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def holding(content: bytes) -> Process:
    return Process(Servers(objects={f"{PREFIX}/latest.json": content}))


def listing(*entries: object) -> bytes:
    return json.dumps({"checkpoints": entries}).encode()


def test_the_list_written_by_a_run_is_read() -> None:
    assert [found.step for found in latest_checkpoints(RUN, SETTINGS, holding(listing(ENTRY)).storage)] == [100]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"{}", "is damaged"),
        (listing(), "is empty, which no run writes"),
        (listing(ENTRY | {"step": -1}), "is damaged"),
        (listing(ENTRY | {"step": "9" * 5000}), "is damaged"),
        (listing(ENTRY | {"key": "datasets/../../x.pt"}), "is not a checkpoint of the run"),
        (listing(ENTRY | {"key": checkpoint_key(checkpoint_prefix("another", SETTINGS), 100)}), "is not a checkpoint"),
    ],
)
def test_an_invalid_list_is_refused_and_never_counts_as_a_fresh_start(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        fetch_newest(RUN, SETTINGS, holding(content).storage, tmp_path)
    assert str(caught.value).endswith("restore it from a backup, or start a new run.")


@given(content=st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()) | JSON.map(listing))
@settings(max_examples=200, deadline=None)
def test_any_list_is_read_or_refused_in_one_sentence(content: bytes) -> None:
    with read_or_refused():
        assert latest_checkpoints(RUN, SETTINGS, holding(content).storage)


@given(field=st.sampled_from(list(ENTRY)), value=JSON)
@settings(max_examples=200, deadline=None)
def test_any_entry_is_read_or_refused_in_one_sentence(field: str, value: object) -> None:
    with read_or_refused():
        assert latest_checkpoints(RUN, SETTINGS, holding(listing(ENTRY | {field: value})).storage)


def test_an_unlisted_checkpoint_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    servers = Servers(objects={checkpoint_key(PREFIX, 100): b"whole"})
    with caplog.at_level(logging.WARNING):
        assert fetch_newest(RUN, SETTINGS, Process(servers).storage, tmp_path) is None
    assert "Training begins at step 0, although s3://memory/checkpoints/a-run/step-00000100.pt exists" in caplog.text
