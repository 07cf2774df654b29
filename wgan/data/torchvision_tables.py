"""torchvision, imported only where its tables are asked for: the base installation works without it."""

from __future__ import annotations

from types import ModuleType

from wgan.errors import DataError


def torchvision_datasets(source: str) -> ModuleType:
    """`torchvision.datasets`. Raises `DataError` naming the source that needs it when it is not installed."""
    try:
        import torchvision.datasets
    except ImportError:
        raise DataError(f"data.source={source} needs torchvision: pip install 'wgan-pipeline[train]'.") from None
    return torchvision.datasets  # type: ignore[no-any-return]
