"""Logs of the embedded servers."""

from __future__ import annotations

from pathlib import Path

from wgan.stack.processes import LOG_BYTES, LOG_TAIL_LINES, log_end, set_aside_large_log


def test_the_end_of_a_log_is_its_last_lines_without_empty_ones(tmp_path: Path) -> None:
    log = tmp_path / "s3.log"
    log.write_text("".join(f"line {number}\n\n" for number in range(100)))
    assert log_end(log).splitlines() == [f"line {number}" for number in range(100 - LOG_TAIL_LINES, 100)]


def test_an_empty_log_is_called_empty(tmp_path: Path) -> None:
    assert log_end(tmp_path / "missing.log") == "(it is empty)"


def test_a_large_log_is_rotated_and_its_writer_continues_in_an_empty_one(tmp_path: Path) -> None:
    log = tmp_path / "s3.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * LOG_BYTES)
        set_aside_large_log(log)
        assert log.stat().st_size == LOG_BYTES
        writer.write(b"y")
        set_aside_large_log(log)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "s3.log.1").stat().st_size == LOG_BYTES + 1
