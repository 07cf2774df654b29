"""An uploaded array is read or refused in one sentence, and nothing in it is executed."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.refusals import read_or_refused
from tests.unit.serving.test_serving_api import saved
from wgan.serving.latents import check_latents, parse_npy

WHOLE = saved(np.zeros((2, 8), np.float32))
HEADERS = st.lists(
    st.sampled_from(
        ["{", "}", "'descr'", "'<f4'", "'|O'", "'fortran_order'", "'shape'", "(", ")", "1" * 5000, "-1", ":", ",", " ",
         "True", "False", "__import__('os')", "\x00", "é", "("  * 3000, "[", "\n"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


def read(body: bytes) -> None:
    with read_or_refused():
        check_latents(parse_npy(body), 8)


@given(HEADERS, st.sampled_from([1, 2, 3, 255]), st.integers(0, 2**16 - 1) | st.none(), st.binary(max_size=64))
@settings(max_examples=300, deadline=None)
def test_headers_of_every_kind(header: str, version: int, length: int | None, data: bytes) -> None:
    text = header.encode("utf-8")
    size = min(len(text) if length is None else length, 2**16 - 1).to_bytes(2 if version == 1 else 4, "little")
    read(b"\x93NUMPY" + bytes([version, 0]) + size + text + data)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_other_bytes_in_a_whole_array(data: st.DataObject) -> None:
    body = bytearray(WHOLE)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = data.draw(st.integers(0, 255))
    read(bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(st.binary(max_size=200))
@example(b"PK\x03\x04")
@example(b"\x80\x04.")
def test_any_bytes(body: bytes) -> None:
    read(body)
