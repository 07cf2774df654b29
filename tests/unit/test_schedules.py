"""Declared schedules: what is allowed, and one sentence for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wgan.config_reading import load_config
from wgan.errors import UsageError
from wgan.schedules import make_schedule, read_declared

ROOT = Path(__file__).resolve().parents[2]
WEEKLY = {"name": "weekly", "cron": "0 3 * * 1", "preset": "digits"}


def declared(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "schedules.yaml"
    path.write_text(text)
    return path


def test_the_shipped_file_is_valid() -> None:
    file = read_declared(ROOT / "infra" / "schedules.yaml")
    assert [schedule.name for schedule in file.schedules] == ["digits", "mnist"]
    assert file.schedules[1].resolved().training.seed == 1


def test_sections_are_laid_over_the_preset() -> None:
    config = make_schedule(**WEEKLY, config={"training": {"n_critic": 2}}).resolved()
    assert config.training.n_critic == 2
    assert config.networks == load_config("digits").networks


def test_an_empty_file_declares_only_housekeeping(tmp_path: Path) -> None:
    file = read_declared(declared(tmp_path, ""))
    assert file.schedules == ()
    assert file.housekeeping.cron == "30 2 * * *"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cron": "0 3 * *"}, "cron='0 3 * *' is not allowed: cron has five fields"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus' is not allowed: timezone is an IANA name"),
        ({"name": "Weekly run"}, "name='Weekly run' is not allowed"),
        ({"min_new": "some"}, "min_new='some' is not allowed: an amount is a number of images, as 500, or a share"),
        ({"overlap": "pile"}, "overlap='pile' is not allowed: Input should be 'enqueue' or 'cancel'"),
        ({"preset": None}, "choose what to train: preset or config"),
        ({"preset": "digitz"}, "there is no preset 'digitz'"),
        ({"config": {"training": {"lr": 0}}}, "training.lr=0 is not allowed"),
        ({"often": True}, "there is no setting often"),
    ],
)
def test_an_invalid_value_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_schedule(**{**WEEKLY, **values})
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "condition"),
    [
        ({}, None),
        ({"if_changed": True}, "if the data is new"),
        ({"if_changed": True, "min_new": "500"}, "if at least 500 images are new"),
        ({"min_new": "5%"}, "if at least 5% of the images are new"),
        ({"if_drifted": True}, "if the data has drifted"),
        ({"min_new": "1", "if_drifted": True}, "if an image is new and if the data has drifted"),
    ],
)
def test_a_schedule_says_on_which_condition_it_trains(values: dict[str, Any], condition: str | None) -> None:
    assert make_schedule(**{**WEEKLY, **values}).condition == condition


def test_an_amount_in_a_file_needs_no_quotes(tmp_path: Path) -> None:
    file = "schedules:\n  - {name: a, preset: digits, cron: '0 3 * * 1', min_new: 500}"
    assert read_declared(declared(tmp_path, file)).schedules[0].min_new == "500"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("schedules: [", "is not YAML"),
        ("- digits", "must hold gpu_slots, housekeeping, schedules"),
        ("gpu_slots: 0", "gpu_slots=0 is not allowed"),
        ("schedules:\n  - {name: a, preset: digits}", "schedules.a.cron is missing"),
        (
            "schedules:\n" + 2 * "  - {name: a, preset: digits, cron: '0 3 * * 1'}\n",
            "a is declared twice",
        ),
        ("gpu_slots: &one 1\nschedules: [*one]", "aliases (*name) are not read"),
        (
            "schedules:\n  - {name: a, preset: digits, cron: '0 3 * * 1', config: {training: {lr: 2}}}",
            "a: training.lr=2 is not allowed",
        ),
    ],
)
def test_a_file_with_a_mistake_names_file_place_and_value(tmp_path: Path, text: str, sentence: str) -> None:
    path = declared(tmp_path, text)
    with pytest.raises(UsageError) as refusal:
        read_declared(path)
    assert str(path) in str(refusal.value)
    assert sentence in str(refusal.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"schedules file .*absent\.yaml: No such file"):
        read_declared(tmp_path / "absent.yaml")
