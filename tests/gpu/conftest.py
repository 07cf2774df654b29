"""Checks of the training on a CUDA device. On a machine with torch, numpy, pydantic, pyyaml and pytest alone:

python -m pytest --confcutdir=tests/gpu tests/gpu
"""

from __future__ import annotations

import pytest
import torch

NO_CUDA = f"torch {torch.__version__} sees no CUDA device"


@pytest.fixture(autouse=True)
def cuda() -> torch.device:
    """The first CUDA device; without one the test is skipped."""
    if not torch.cuda.is_available():
        pytest.skip(NO_CUDA)
    return torch.device("cuda:0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.removesuffix("/conftest.py")):
            item.add_marker(pytest.mark.gpu)
