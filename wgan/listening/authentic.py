"""Whether a notification is signed with the secret: by a bearer token, or by an HMAC over its body."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

SIGNATURE = "x-wgan-signature"
"""Header with `sha256=` and the hexadecimal HMAC-SHA-256 of the body under the secret."""


def is_authentic(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the request has the secret as its bearer token, or its body's signature under the secret.

    A store that cannot sign sends the token; MinIO sends one without `Bearer` as it is.
    """
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    scheme, _, token = headers.get("authorization", "").rpartition(" ")
    return (scheme.lower() in ("", "bearer") and _equal(token, secret)) or _equal(headers.get(SIGNATURE, ""), signed)


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
