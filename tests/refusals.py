"""What every reader of a stored or uploaded thing owes: it reads, or refuses in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wgan.errors import WganError
from wgan.printable import printable


@contextmanager
def read_or_refused() -> Iterator[None]:
    """Let nothing but a `WganError` of one printable line out, and catch that."""
    try:
        yield
    except WganError as error:
        refusal = str(error)
    else:
        return
    assert refusal
    assert printable(refusal) == refusal
