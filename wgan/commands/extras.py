"""The extras of the package: which one a command needs, and what to install if it is missing."""

from __future__ import annotations

from importlib import metadata, util
from typing import Literal, get_args

from packaging.requirements import Requirement

from wgan.errors import WganError

DISTRIBUTION = "wgan-pipeline"
Extra = Literal["serve", "pipeline", "train", "scale"]
"""Each includes the previous one; `pyproject.toml` lists their requirements."""
EXTRAS: tuple[Extra, ...] = get_args(Extra)
MARKS: dict[Extra, tuple[str, ...]] = {
    "serve": ("onnxruntime", "uvicorn"),
    "pipeline": ("mlflow", "prefect"),
    "train": ("torch",),
    "scale": ("ray",),
}
"""Modules whose absence means that the extra is not installed."""
IMAGES: dict[Extra, str] = {"serve": "services", "pipeline": "services", "train": "trainer", "scale": "trainer"}
"""The smallest container image with the extra."""
MODULES = {"pillow": "PIL", "pysocks": "socks", "scikit-learn": "sklearn"}
"""Distributions whose module name differs."""


def require_extra(extra: Extra) -> None:
    """Raise `WganError` unless the extra is installed; imports none of it, since that can take seconds."""
    module = missing_mark(extra)
    if module:
        raise WganError(_sentence(module, extra))


def explain_missing(error: ModuleNotFoundError) -> str | None:
    """One sentence if the missing module belongs to an extra; None if it does not, which is a bug."""
    module = (error.name or "").partition(".")[0]
    for extra in EXTRAS:
        if module in {module_of(requirement.name) for requirement in requirements_of(extra)}:
            return _sentence(module, extra)
    return None


def missing_mark(extra: Extra) -> str | None:
    """The missing module that shows that the extra is not installed; None if it is installed."""
    return next((module for module in MARKS[extra] if util.find_spec(module) is None), None)


def install_command(extra: Extra) -> str:
    """The command that installs the extra."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def requirements_of(extra: Extra | None) -> list[Requirement]:
    """The requirements of an extra itself, without those of included extras; None: of the base."""
    found = []
    for requirement in map(Requirement, metadata.requires(DISTRIBUTION) or []):
        always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        wanted = always if extra is None else not always and _applies(requirement, extra)
        if wanted and requirement.name != DISTRIBUTION:
            found.append(requirement)
    return found


def module_of(distribution: str) -> str:
    """The module name of a distribution."""
    return MODULES.get(distribution, distribution.replace("-", "_"))


def _sentence(module: str, extra: Extra) -> str:
    return (
        f"this command needs {module}, which is not installed here: {install_command(extra)}, "
        f"or use the image `{IMAGES[extra]}`."
    )


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
