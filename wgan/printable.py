"""Makes untrusted text safe to print: without terminal control characters or injected line breaks."""

from __future__ import annotations

import logging
import unicodedata

OWN_LINES = "\n\t"


def printable(text: str) -> str:
    r"""The text with everything that is not shown as itself (escapes, bells, bidirectional marks) as `\x1b`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """The same, but keeps line ends and tabs."""
    return "".join(letter if letter in OWN_LINES else _shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":  # such as the no-break space
        return letter
    return letter.encode("unicode_escape").decode()


class PrintableRecord(logging.LogRecord):
    """A log record whose message is made safe to print, whatever it quotes."""

    def getMessage(self) -> str:  # noqa: N802
        """As `logging.LogRecord.getMessage`."""
        return printable_lines(super().getMessage())


def use_printable_records() -> None:
    """Make all of this process's later log records safe to print, for every handler."""
    logging.setLogRecordFactory(PrintableRecord)
