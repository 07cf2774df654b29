"""The extra `train`: what measuring and training need, and serving, scheduling and rolling back do without."""

from __future__ import annotations

from importlib import metadata, util

from packaging.requirements import Requirement

from wgan.errors import WganError

DISTRIBUTION = "wgan-pipeline"
INSTALL_TO_TRAIN = "pip install 'wgan-pipeline[train]'"


def explain_missing(error: ModuleNotFoundError) -> str | None:
    """One sentence where the missing module belongs to the extra; None where it does not, which is a defect."""
    module = (error.name or "").partition(".")[0]
    return _sentence(module) if module in _modules() else None


def require_train_extra() -> None:
    """Raise `WganError` where torch is not installed; does not import it, which takes seconds."""
    if util.find_spec("torch") is None:
        raise WganError(_sentence("torch"))


def _sentence(module: str) -> str:
    return f"this command needs {module}, which is not installed here: {INSTALL_TO_TRAIN}, or use the image `trainer`."


def _modules() -> set[str]:
    """Top-level modules: each distribution of the extra has one, of its own name."""
    requirements = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or []]
    of_extra = [each for each in requirements if each.marker and each.marker.evaluate({"extra": "train"})]
    return {each.name.replace("-", "_") for each in of_extra}
