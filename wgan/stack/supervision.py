"""Supervises the servers of a stack independently: a dead or hung one is restarted, and the others keep running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from wgan.errors import WganError
from wgan.stack.lifecycle import RunningStack, death_of, record, stop_stack
from wgan.stack.processes import (
    RunningServer,
    health_answer,
    kill,
    launch,
    log_end,
    require_free_ports,
    set_aside_large_log,
)

RESTARTS = 3
"""Number of immediate restarts of a server; after that, one every PAUSE_SECONDS."""
PAUSE_SECONDS = 60.0
HEALTHY_SECONDS = 600.0
"""Healthy seconds after which earlier deaths no longer count."""
HUNG_SECONDS = 60.0
"""Seconds without any answer, not even an error, after which a server is killed."""
ASK_SECONDS = 5.0
WATCH_SECONDS = 0.5


def supervise(stack: RunningStack, stopping: threading.Event, say: Callable[[str], None]) -> None:
    """Supervise the servers until `stopping` is set, then stop them; `say` gets a sentence about every action.

    Call it from the main thread, as `start_stack`.
    """
    watches = [_Watch(running, stack, say) for running in stack.servers]
    try:
        while not stopping.wait(WATCH_SECONDS):
            changed = [watch for watch in watches if watch.look()]
            if changed:
                record(stack.home, [(watch.server, watch.running, watch.trouble) for watch in watches])
    finally:
        for watch in watches:
            watch.end()
        stop_stack(replace(stack, servers=tuple(watch.running for watch in watches if watch.running)))


class _Watch:
    """One server: its process, its recent deaths, and when to restart it."""

    def __init__(self, running: RunningServer, stack: RunningStack, say: Callable[[str], None]) -> None:
        self.server = running.server
        self.running: RunningServer | None = running
        self.trouble: str | None = None
        self._stack = stack
        self._say = say
        self._deaths = 0
        self._next_try = 0.0
        self._pulse = _Pulse(running)

    def look(self) -> bool:
        """Do what is due; returns whether the process has changed or is gone."""
        now = time.monotonic()
        if self.running is None:
            return now >= self._next_try and self._start(now)
        set_aside_large_log(self.running.log)
        if self.running.process.poll() is not None:
            return self._lost(death_of(self.running), now)
        silence = now - self._pulse.last_answer
        if silence > (HUNG_SECONDS if self._pulse.answered else max(HUNG_SECONDS, self._stack.settings.start_timeout)):
            kill(self.running)
            return self._lost(f"{self.server.title} did not answer for {silence:.0f} s and was killed", now)
        if self._deaths and self._pulse.healthy_for(now) > HEALTHY_SECONDS:
            self._deaths = 0
        if self.trouble and self._pulse.healthy_for(now):
            self.trouble = None
            return True
        return False

    def end(self) -> None:
        """Stop the checks."""
        self._pulse.end()

    def _lost(self, what: str, now: float) -> bool:
        assert self.running is not None
        end = log_end(self.running.log)
        self._pulse.end()
        self.running = None
        self._deaths += 1
        self.trouble = what
        if self._deaths <= RESTARTS:
            self._next_try = now
            self._say(f"{what}; it is restarted ({self._deaths} of {RESTARTS} immediate restarts).\n{end}")
        else:
            self._next_try = now + PAUSE_SECONDS
            self._say(
                f"{what}, after {RESTARTS} restarts: it is retried every {PAUSE_SECONDS:.0f} s, and the other "
                f"servers keep running.\n{end}"
            )
        return True

    def _start(self, now: float) -> bool:
        try:
            require_free_ports([self.server])
        except WganError as error:
            self._next_try = now + PAUSE_SECONDS
            if self.trouble == str(error):
                return False
            self.trouble = str(error)
            self._say(f"{error} It is retried every {PAUSE_SECONDS:.0f} s; the other servers keep running.")
            return True
        self.running = launch(self.server, self._stack.home)
        self._pulse = _Pulse(self.running)
        return True


class _Pulse:
    """Checks a server's health periodically, one request at a time, in its own thread."""

    def __init__(self, running: RunningServer) -> None:
        self.last_answer = time.monotonic()
        self.answered = False
        self._healthy_since: float | None = None
        self._server = running.server
        self._ended = threading.Event()
        threading.Thread(target=self._ask, name=f"pulse of {running.server.name}", daemon=True).start()

    def healthy_for(self, now: float) -> float:
        """Seconds for which every answer was healthy; 0 if the last one was not."""
        return 0.0 if self._healthy_since is None else now - self._healthy_since

    def end(self) -> None:
        """Stop the checks."""
        self._ended.set()

    def _ask(self) -> None:
        while not self._ended.wait(ASK_SECONDS):
            status = health_answer(self._server, HUNG_SECONDS)
            now = time.monotonic()
            if status is not None:
                self.last_answer, self.answered = now, True
            if status != self._server.health_status:
                self._healthy_since = None
            elif self._healthy_since is None:
                self._healthy_since = now
