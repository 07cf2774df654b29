"""API keys: only their SHA-256 is stored; several may be valid at once, so that keys can be rotated."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from pathlib import Path

from wgan.errors import UsageError
from wgan.settings import Settings

HASH = re.compile(r"[0-9a-f]{64}")
CHECK_SECONDS = 1.0
"""Minimum seconds between checks of the file's modification time."""
log = logging.getLogger("wgan.serving")


class ApiKeys:
    """The allowed keys' hashes, from the setting and from the file, which is reread when it changes."""

    def __init__(self, settings: Settings) -> None:
        given = settings.serve_api_keys
        self._fixed = _parse(given.get_secret_value().replace(",", "\n"), "WGAN_SERVE_API_KEYS") if given else []
        self._file = settings.serve_api_keys_file
        self._from_file: list[str] = []
        self._state: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._lock = threading.Lock()
        if self._file:
            self._from_file, self._state = _read(self._file)
        self.required = given is not None or self._file is not None
        """Whether requests need a key at all."""

    def accepts(self, key: str) -> bool:
        """Whether the key is allowed; it is compared with every one, in constant time."""
        self._look()
        digest = hash_key(key)
        found = False
        for allowed in (*self._fixed, *self._from_file):
            found |= hmac.compare_digest(digest, allowed)
        return found

    def _look(self) -> None:
        with self._lock:
            if self._file is None or time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + CHECK_SECONDS
            try:
                if _state(self._file) != self._state:
                    self._from_file, self._state = _read(self._file)
                    log.info("API keys read again", extra={"fields": {"keys": len(self._from_file)}})
            except (OSError, UsageError) as error:  # keep the current keys
                log.error("API keys not read", extra={"fields": {"reason": str(error)}})


def new_key() -> tuple[str, str]:
    """A fresh key (256 random bits) and its hash."""
    key = secrets.token_urlsafe(32)
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """SHA-256 (hex). Sufficient for keys of 256 random bits, which cannot be guessed, but not for passwords."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _read(file: Path) -> tuple[list[str], tuple[int, int, int]]:
    try:
        state, text = _state(file), file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"WGAN_SERVE_API_KEYS_FILE={str(file)!r} cannot be read: {error}.") from None
    return _parse(text, str(file)), state


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parse(text: str, where: str) -> list[str]:
    """The hashes in a text, one per line; empty lines and those that begin with # are skipped."""
    hashes = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not HASH.fullmatch(words[0].lower()):
            raise UsageError(
                f"entry {number} of {where} is not a SHA-256 in hex: `wgan serve --new-api-key` creates one."
            )
        hashes.append(words[0].lower())
    return hashes
