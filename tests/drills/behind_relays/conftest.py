"""One stack behind relays for all drills of a session, and the undisturbed run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.drills.common_training import common
from tests.drills.faulty_stack import FaultyStack, faulty_stack
from wgan.settings import Settings


@pytest.fixture(scope="session")
def session_faulty(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyStack]:
    with faulty_stack(stack, tmp_path_factory.mktemp("faulty") / "home") as running:
        yield running


@pytest.fixture
def faulty(session_faulty: FaultyStack) -> Iterator[FaultyStack]:
    """The session's stack behind relays; faults are removed before and after each test."""
    session_faulty.s3.heal()
    yield session_faulty
    session_faulty.s3.heal()


@pytest.fixture(scope="session")
def undisturbed(session_faulty: FaultyStack) -> Any:
    """The outcome of `wgan retrain` with the common configuration if nothing fails."""
    session_faulty.s3.heal()
    return session_faulty.json("retrain", *common("undisturbed"))
