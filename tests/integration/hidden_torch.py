"""An environment in which torch cannot be imported, without one that lacks it."""

from __future__ import annotations

from pathlib import Path


def hide_torch(folder: Path) -> dict[str, str]:
    """Variables that hide torch, as where it is not installed; the folder is made."""
    folder.mkdir()
    (folder / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    return {"PYTHONPATH": str(folder)}
