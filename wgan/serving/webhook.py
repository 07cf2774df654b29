"""MLflow's signed webhooks (`mlflow/webhooks/delivery.py`): verified, fresh, and each only once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

SIGNATURE, TIMESTAMP, DELIVERY = "x-mlflow-signature", "x-mlflow-timestamp", "x-mlflow-delivery-id"
WINDOW_SECONDS = 300
"""Maximum age of a delivery, or lead over this machine's clock."""
REMEMBERED = 10_000
"""Maximum number of stored delivery ids; those older than the window are dropped anyway."""
STAMP = re.compile(r"[0-9]{1,12}")
"""Seconds since 1970."""
Outcome = Literal["accepted", "repeated", "refused"]


def model_of(body: bytes) -> str | None:
    """The registered model that a genuine delivery is about; None if it names none."""
    try:
        name = json.loads(body)["data"]["name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


class Webhook:
    """Checks deliveries against one secret. For one thread."""

    def __init__(self, secret: str, now: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._now = now
        self._seen: OrderedDict[str, float] = OrderedDict()

    def check(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """`accepted` once for each genuine delivery not older than the window, `repeated` after that, else `refused`.

        The signature is `v1,` and the base64 of HMAC-SHA256 over `<delivery id>.<timestamp>.<body>`.
        """
        delivery, stamp = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
        signed = f"{delivery}.{stamp}.".encode() + body
        expected = b"v1," + base64.b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest())
        given = headers.get(SIGNATURE, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected, given):
            return "refused"
        now = self._now()
        if not delivery or not STAMP.fullmatch(stamp) or abs(now - int(stamp)) > WINDOW_SECONDS:
            return "refused"
        self._forget(now)
        if delivery in self._seen:
            return "repeated"
        self._seen[delivery] = now
        return "accepted"

    def _forget(self, now: float) -> None:
        # a delivery stamped ahead of this clock stays valid for two windows
        while self._seen and (
            next(iter(self._seen.values())) < now - 2 * WINDOW_SECONDS or len(self._seen) > REMEMBERED
        ):
            self._seen.popitem(last=False)
