"""Every reader of stored or uploaded data reads it, or refuses it in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wgan.errors import WganError
from wgan.printable import printable


@contextmanager
def read_or_refused() -> Iterator[None]:
    """Catch a `WganError`, which must be one printable line; other errors propagate."""
    try:
        yield
    except WganError as error:
        refusal = str(error)
    else:
        return
    assert refusal
    assert printable(refusal) == refusal
