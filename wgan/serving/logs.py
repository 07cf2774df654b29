"""Structured logs: one JSON object per line on standard error, with request ids; no bodies, queries or headers."""

from __future__ import annotations

import json
import logging
import re
import sys
import uuid
from datetime import UTC, datetime

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class JsonLines(logging.Formatter):
    """`time`, `level`, `event`, and the fields given as `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json() -> None:
    """Send this process's logs, uvicorn's too, to standard error as JSON; only warnings of libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wgan.serving").setLevel(logging.INFO)
    logging.captureWarnings(True)


def request_id(given: str | None) -> str:
    """The caller's id if it is plain text, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
