"""Hides modules, such as torch, from a process without another environment."""

from __future__ import annotations

from pathlib import Path


def hide_torch(folder: Path) -> dict[str, str]:
    """Variables that hide torch, as if it were not installed; creates the folder."""
    return hide(folder, "torch")


def hide(folder: Path, *modules: str) -> dict[str, str]:
    """Variables that hide these modules, as if they were not installed; creates the folder."""
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
        )
    return {"PYTHONPATH": str(folder)}
