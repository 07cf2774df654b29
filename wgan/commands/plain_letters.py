"""Output for any encoding: characters that it lacks become plain ones, without errors."""

from __future__ import annotations

import codecs
import io
import sys

PLAIN = {
    "…": "...",
    "–": "-",
    "−": "-",
    "×": "x",
    "·": "-",
    "✓": "ok",
    "✗": "x",
    "→": "->",
    "↑": "(higher is better)",
    "↓": "(lower is better)",
    "’": "'",
    "“": '"',
    "”": '"',
}
HANDLER = "wgan-plain"


def accept_every_letter() -> None:
    """Make standard output and error accept any text in any encoding (LANG=C, PYTHONIOENCODING=ascii)."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape", "backslashreplace"):
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in letters)
    return plain, error.end
