"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Preset = Annotated[str | None, typer.Option(help="Configuration to start from; `wgan presets` lists them.")]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML file laid over the preset.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="One value, e.g. training.lr=1e-4; may be repeated.")
]
Promote = Annotated[bool, typer.Option("--promote/--no-promote", help="Ask the gate and move the champion alias.")]
MinNew = Annotated[
    str | None,
    typer.Option(
        help="Train only if so many images are new since the latest version: 500, or 5% of those there were.",
        show_default=False,
    ),
]
IfDrifted = Annotated[
    bool, typer.Option("--if-drifted", help="Train only if the data has moved from the champion's beyond data.rules.")
]
IfChanged = Annotated[bool, typer.Option("--if-changed", help="Train only on data that no version was trained on yet.")]
