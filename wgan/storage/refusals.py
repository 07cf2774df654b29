"""Says in one sentence why an object store refused a request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from wgan.errors import AccessRefused, StorageError

REFUSED_CODES = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "RequestExpired")
"""Error codes with status 400 that still concern credentials."""
MOST_SKEW_SECONDS = 15 * 60
"""Clock difference beyond which S3 refuses every signature."""


def refusal(answer: Mapping[str, Any], code: str, store: str, uri: str) -> StorageError:
    """Interpret the metadata of an error response: the store's failure, a wrong clock, or credentials."""
    status = answer.get("HTTPStatusCode", 0)
    if code == "NotImplemented":
        return StorageError(
            f"{store} does not support the request for {uri} (NotImplemented): if it is an upload, set "
            "AWS_REQUEST_CHECKSUM_CALCULATION=when_required, because the store may not know boto3's checksums."
        )
    if status >= 500 or code == "SlowDown":
        return StorageError(f"{store} failed for {uri} ({code}), repeatedly: see its log, or try later.")
    if status in (401, 403) and (late := _seconds_late(answer.get("HTTPHeaders", {}))) is not None:
        return AccessRefused(
            f"{store} refused {uri} ({code}): this computer's clock is {abs(late) / 60:.0f} minutes "
            f"{'behind' if late > 0 else 'ahead of'} the store's; correct it (NTP), because signatures carry the time."
        )
    if "Expired" in code:
        return AccessRefused(
            f"{store} refused {uri} ({code}): the credentials have expired; give new ones in WGAN_S3_ACCESS_KEY_ID "
            "and WGAN_S3_SECRET_ACCESS_KEY."
        )
    kind = AccessRefused if status in (401, 403) or code in REFUSED_CODES else StorageError
    return kind(
        f"{store} refused {uri} ({code}): check WGAN_S3_ACCESS_KEY_ID, WGAN_S3_SECRET_ACCESS_KEY and WGAN_BUCKET."
    )


def _seconds_late(headers: Mapping[str, str]) -> float | None:
    """How far this computer's clock is behind the store's, if that is too far for signatures."""
    if "date" not in headers:
        return None
    late = (parsedate_to_datetime(headers["date"]) - datetime.now(UTC)).total_seconds()
    return late if abs(late) >= MOST_SKEW_SECONDS else None
