"""The commands that the documents tell the reader to type."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("sh", "bash", "console", "shell")
_BLOCK = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def fenced_blocks(document: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return [(language.strip(), text) for language, text in _BLOCK.findall(document.read_text())]


def shell_commands(document: Path) -> list[str]:
    """The commands in the document's shell blocks, one line each, without comments and `&`."""
    text = "\n".join(text for language, text in fenced_blocks(document) if language in SHELL)
    lines = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in text.replace("\\\n", " ").splitlines()]
    return [re.sub(r"\s+", " ", line).removesuffix(" &") for line in lines if line]


def inline_commands(document: Path) -> list[str]:
    """The commands written as `wgan …` within a sentence."""
    prose = _BLOCK.sub("", document.read_text())
    return [text for text in re.findall(r"`([^`\n]+)`", prose) if text.startswith("wgan ")]
