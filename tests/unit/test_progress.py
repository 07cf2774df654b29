"""Progress reaches listeners inside their block, and the terminal shows it without flooding."""

from __future__ import annotations

import io

from rich.console import Console

from wgan import progress
from wgan.commands.flow_session import display
from wgan.progress import Pace, Progress, listening, sentence


def test_a_listener_receives_only_reports_inside_its_block() -> None:
    heard: list[Progress] = []
    progress.report("before", 1, 2)
    with listening(heard.append):
        progress.report("training", 3, 10, "fast")
    progress.report("after", 1, 2)
    assert heard == [Progress("training", 3, 10, "fast")]


def test_a_listener_is_forgotten_when_its_block_fails() -> None:
    heard: list[Progress] = []
    try:
        with listening(heard.append):
            raise ValueError
    except ValueError:
        progress.report("training", 1, 2)
    assert heard == []


def shown(*, terminal: bool) -> str:
    output = io.StringIO()
    with display(Console(file=output, force_terminal=terminal, width=160)):
        for step in range(1, 101):
            progress.report("training", step, 100, f"{step} images/s")
        progress.announce("flow run", "0000-1111")
    return output.getvalue()


def test_without_a_terminal_there_are_few_lines_and_the_last_one_is_complete() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines == [
        "training: step 1 of 100. 1 images/s",
        "training: step 100 of 100. 100 images/s",
        "flow run: 0000-1111",
    ]


def test_on_a_terminal_there_is_a_bar_with_position_and_note() -> None:
    text = shown(terminal=True)
    assert "100/100" in text
    assert "100 images/s" in text
    assert "flow run: 0000-1111" in text


def left(*reports: tuple[float, int], total: int | None = 1200) -> float | None:
    pace = Pace()
    for now, done in reports:
        pace.hear(done, now)
    return pace.seconds_left(total)


def test_the_time_left_is_the_rest_at_the_current_pace() -> None:
    assert left((0, 0), (10, 100), (20, 200)) == 100


def test_one_report_gives_no_pace() -> None:
    assert left((0, 100)) is None


def test_steps_before_a_resume_do_not_count_for_the_pace() -> None:
    assert left((0, 1000), (10, 1010)) == 190


def test_only_the_last_minute_counts() -> None:
    slow = [(now, now) for now in range(0, 1000, 10)]
    fast = [(1000 + now, 1000 + 2 * now) for now in range(0, 61, 10)]
    assert left(*slow, *fast, total=1320) == 100


def test_a_restarted_stage_is_counted_from_its_start() -> None:
    assert left((0, 0), (10, 1000), (20, 0), (30, 100)) == 110


def test_without_a_total_or_at_the_end_there_is_no_time_left() -> None:
    assert left((0, 0), (10, 100), total=None) is None
    assert left((0, 0), (10, 1200)) is None


def test_a_position_is_a_sentence() -> None:
    position = Progress("training", 400, 1200, "50 images/s")
    assert sentence(position, 180) == "training: step 400 of 1,200, about 3 min left. 50 images/s"
    assert sentence(Progress("evaluation", 400, 1200), None) == "evaluation: 400 of 1,200"
    assert sentence(Progress("download", 400, None), None) == "download: 400"
