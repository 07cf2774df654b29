"""An environment in which modules, such as torch, cannot be imported, without one that lacks them."""

from __future__ import annotations

from pathlib import Path


def hide_torch(folder: Path) -> dict[str, str]:
    """Variables that hide torch, as where it is not installed; the folder is made."""
    return hide(folder, "torch")


def hide(folder: Path, *modules: str) -> dict[str, str]:
    """Variables that hide these modules, as where they are not installed; the folder is made."""
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
        )
    return {"PYTHONPATH": str(folder)}
