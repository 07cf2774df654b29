"""The process that encodes expensive responses one at a time; it can be killed at any moment.

On its standard input: a line of JSON (`Task`), then the images' bytes. On its standard output: a line of JSON
(`Answer`), then the encoded bytes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from wgan.errors import WganError
from wgan.serving.encoding import Encoding, encode

NICENESS = 10
"""Niceness: threads of cheap requests take precedence."""


class Task(BaseModel):
    """Images to encode."""

    shape: tuple[int, int, int, int]
    encoding: Encoding
    facts: dict[str, Any]


class Answer(BaseModel):
    """The number of bytes that follow; 0 with an error."""

    size: int = 0
    error: str | None = None


def task_line(images: NDArray[np.uint8], encoding: Encoding, facts: dict[str, Any]) -> bytes:
    """The line that precedes the images' bytes."""
    n, c, h, w = images.shape
    task = Task(shape=(n, c, h, w), encoding=Encoding(**asdict(encoding)), facts=facts)
    return task.model_dump_json().encode() + b"\n"


def main() -> None:
    """Encode until the end of input."""
    os.nice(NICENESS)
    while line := sys.stdin.buffer.readline():
        task = Task.model_validate_json(line)
        pixels = sys.stdin.buffer.read(int(np.prod(task.shape)))
        body = b""
        try:
            body = encode(np.frombuffer(pixels, np.uint8).reshape(task.shape), task.encoding, task.facts)
            answer = Answer(size=len(body))
        except WganError as error:
            answer = Answer(error=str(error))
        sys.stdout.buffer.write(answer.model_dump_json().encode() + b"\n")
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
