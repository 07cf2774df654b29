"""Signs what this pipeline writes to the bucket, so that nobody else's bytes pass for its results.

A digest inside an object shows that it is intact, not who wrote it. A signature is an HMAC-SHA-256 over the object's
name and content, under `WGAN_SIGNING_KEY`. Without a key nothing is signed, and anybody who can write to the bucket is
trusted.
"""

from __future__ import annotations

import hashlib
import hmac

from wgan.errors import WganError
from wgan.settings import Settings

LABEL = b"\nwgan-signature:"
DIGITS = 64


class NotSigned(WganError):
    """The content does not have this pipeline's signature."""


def signature(name: str, content: bytes, settings: Settings) -> str | None:
    """The signature of the content under that name, hexadecimal; None without a key."""
    if settings.signing_key is None:
        return None
    key = settings.signing_key.get_secret_value().encode()
    return hmac.new(key, name.encode() + b"\0" + content, hashlib.sha256).hexdigest()


def is_signed(name: str, content: bytes, signed: bytes, settings: Settings) -> bool:
    """Whether `signed` is the content's signature; always true without a key."""
    wanted = signature(name, content, settings)
    return wanted is None or hmac.compare_digest(wanted.encode(), signed.strip())


def sealed(name: str, content: bytes, settings: Settings) -> bytes:
    """The content followed by its signature; unchanged without a key."""
    signed = signature(name, content, settings)
    return content if signed is None else content + LABEL + signed.encode()


def unsealed(name: str, stored: bytes, settings: Settings) -> bytes:
    """The content from `sealed`. Raises `NotSigned` unless it was signed for that name, if there is a key."""
    end = len(stored) - len(LABEL) - DIGITS
    bears_one = end >= 0 and stored[end : end + len(LABEL)] == LABEL
    content, signed = (stored[:end], stored[-DIGITS:]) if bears_one else (stored, b"")
    if not is_signed(name, content, signed, settings):
        raise NotSigned("it is not signed with WGAN_SIGNING_KEY")
    return content
