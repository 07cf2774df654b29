"""Text from outside, for people: without what a terminal would obey, and what would make one line look like two."""

from __future__ import annotations

import logging
import unicodedata

OWN_LINES = "\n\t"


def printable(text: str) -> str:
    r"""The text with everything that is not shown as itself (escapes, bells, bidirectional marks) as `\x1b`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """The same, but line ends and tabs stay."""
    return "".join(letter if letter in OWN_LINES else _shown(letter) for letter in text)


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":  # such as the space that does not break
        return letter
    return letter.encode("unicode_escape").decode()


class PrintableRecord(logging.LogRecord):
    """A record of a log whose message, whatever it quotes, is shown without being obeyed."""

    def getMessage(self) -> str:  # noqa: N802
        """As `logging.LogRecord.getMessage`."""
        return printable_lines(super().getMessage())


def use_printable_records() -> None:
    """Have all that this process logs from here on shown like that, to whichever handler it goes."""
    logging.setLogRecordFactory(PrintableRecord)
