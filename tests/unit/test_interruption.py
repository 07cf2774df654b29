"""Signals are deferred while work must not stop."""

from __future__ import annotations

import signal
import threading

import pytest

from wgan.steps.deferred_signals import deferred_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_the_block_is_deferred_and_reported(number: int) -> None:
    with deferred_signals() as asked_to_stop:
        assert not asked_to_stop()
        signal.raise_signal(number)
        assert asked_to_stop()


def test_a_second_signal_acts_at_once() -> None:
    def interrupted_twice() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()


def test_the_handlers_are_restored_after_the_block() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with deferred_signals():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_outside_the_main_thread_nothing_is_deferred_and_nothing_fails() -> None:
    answers: list[bool] = []

    def work() -> None:
        with deferred_signals() as asked_to_stop:
            answers.append(asked_to_stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]
