"""What the commands print: text for people, or one JSON object and nothing else."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

console = Console()
"""Standard output: results."""

error_console = Console(stderr=True)
"""Standard error: progress, warnings and errors; `--json` leaves it alone."""


def print_json(value: Any) -> None:
    """Print one machine-readable object on standard output, never wrapped or coloured."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
