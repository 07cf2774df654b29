"""Objects of this pipeline are recognised by their signature of content, name and key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from wgan.settings import Settings
from wgan.storage.signing import NotSigned, is_signed, sealed, signature, unsealed

OURS = Settings(_env_file=None, signing_key=SecretStr("a key of the pipeline"))
THEIRS = Settings(_env_file=None, signing_key=SecretStr("a key of somebody"))
KEYLESS = Settings(_env_file=None)


@given(st.binary(max_size=200), st.text(max_size=20))
@settings(max_examples=50)
def test_signed_content_is_read_back(content: bytes, name: str) -> None:
    assert unsealed(name, sealed(name, content, OURS), OURS) == content


@given(st.data())
@settings(max_examples=50)
def test_no_bit_may_differ(data: st.DataObject) -> None:
    stored = bytearray(sealed("place", b"what was measured", OURS))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NotSigned):
        unsealed("place", bytes(stored), OURS)


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_unsigned_content_is_refused(content: bytes) -> None:
    for forged in (content, sealed("place", content, THEIRS), sealed("elsewhere", content, OURS)):
        with pytest.raises(NotSigned, match="not signed with WGAN_SIGNING_KEY"):
            unsealed("place", forged, OURS)


def test_without_a_key_nothing_is_signed_and_everything_is_accepted() -> None:
    assert signature("place", b"content", KEYLESS) is None
    assert sealed("place", b"content", KEYLESS) == b"content"
    assert unsealed("place", b"content", KEYLESS) == b"content"
    assert is_signed("place", b"content", b"", KEYLESS)
    # Content signed before the key was removed is still read.
    assert unsealed("place", sealed("place", b"content", OURS), KEYLESS) == b"content"


def test_the_key_is_not_in_printed_settings() -> None:
    assert "a key of the pipeline" not in repr(OURS)
