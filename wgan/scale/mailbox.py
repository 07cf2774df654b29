"""Messages between the process that started a training and its rank 0, once a second, through a Ray actor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wgan import progress
from wgan.progress import Progress

SECONDS = 1.0
Message = Progress | tuple[str, int, str]
"""A position, or a line of the log: logger, level, text."""


class Mailbox:
    """Ray runs it as an actor: messages of rank 0 in one direction, the request to stop in the other."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._stop = False

    def put(self, messages: list[Message]) -> bool:
        """Rank 0: add messages; returns whether to stop."""
        self._messages += messages
        return self._stop

    def take(self, stop: bool) -> list[Message]:
        """The starting process: say whether to stop; returns the messages since the last call."""
        self._stop = stop
        messages, self._messages = self._messages, []
        return messages


def repeat(messages: list[Message]) -> None:
    """Report the positions and log the lines of rank 0 in this process."""
    for message in messages:
        if isinstance(message, Progress):
            progress.report(message.stage, message.done, message.total, message.note)
        else:
            name, level, text = message
            logging.getLogger(name).log(level, "%s", text)


@contextmanager
def sending(mailbox: Any) -> Iterator[Callable[[], bool]]:
    """In rank 0: send what is reported and logged inside the block; yields a function that says whether to stop."""
    sender = _Sender(mailbox)
    log = logging.getLogger("wgan")
    level = log.level
    log.addHandler(sender)
    log.setLevel(logging.INFO)
    try:
        with progress.listening(sender.hear):
            sender.start()
            yield lambda: sender.stop
    finally:
        log.removeHandler(sender)
        log.setLevel(level)
        sender.end()


class _Sender(logging.Handler):
    """Collects messages and sends them in a thread, so that no step waits for it."""

    def __init__(self, mailbox: Any) -> None:
        super().__init__(logging.INFO)
        self.stop = False
        self._mailbox = mailbox
        self._messages: list[Message] = []
        self._access = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send_until_ended, name="mailbox", daemon=True)

    def hear(self, position: Progress) -> None:
        """Keep the newest position of its stage, and every note."""
        with self._access:
            last = self._messages[-1] if self._messages else None
            if isinstance(last, Progress) and last.stage == position.stage and last.total and position.total:
                self._messages.pop()
            self._messages.append(position)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the log."""
        with self._access:
            self._messages.append((record.name, record.levelno, record.getMessage()))

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Send what is left."""
        self._ended.set()
        self._thread.join()

    def _send_until_ended(self) -> None:
        import ray
        from ray.exceptions import RayError

        ended = False
        while not ended:
            ended = self._ended.wait(SECONDS)
            with self._access:
                messages, self._messages = self._messages, []
            try:
                self.stop = ray.get(self._mailbox.put.remote(messages), timeout=10 * SECONDS)
            except RayError:  # the training continues without being watched
                continue
