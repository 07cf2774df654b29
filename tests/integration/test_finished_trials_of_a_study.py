"""Finished trials of a study are kept in S3, and are not repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.data_object_store import ObjectStore
from tests.unit.study.example_trial import point
from wgan.storage import open_storage
from wgan.study import variants
from wgan.study.baselines import on_images
from wgan.study.critic_iterations import CLAIM
from wgan.study.finished_trials import FinishedTrials, trial_digest
from wgan.study.trials import ImageTrial, Trial, TrialResult, run_trial
from wgan.study.variants import run_claim


@pytest.fixture
def kept(store: ObjectStore, tmp_path: Path) -> FinishedTrials:
    settings = store.settings(tmp_path / "home")
    return FinishedTrials("flow-run", settings, open_storage(settings))


def assert_equal(found: TrialResult, expected: TrialResult) -> None:
    assert found.trial == expected.trial
    assert found.curves == expected.curves
    assert found.history.keys() == expected.history.keys()
    for name, column in expected.history.items():
        np.testing.assert_array_equal(found.history[name], column)
    np.testing.assert_array_equal(found.last_samples(), expected.last_samples())
    assert (found.clip_share, found.diverged, found.cpu_seconds) == (
        expected.clip_share,
        expected.diverged,
        expected.cpu_seconds,
    )


def test_a_result_is_read_back_as_it_was(kept: FinishedTrials) -> None:
    trials = [point(), point(objective="wgan-gp", gradient_penalty=1e39)]  # the second diverges
    for trial in trials:
        assert kept.load(trial) is None
        result = run_trial(trial)
        kept.keep(result)
        found = kept.load(trial)
        assert found is not None
        if result.diverged:
            assert found.diverged == result.diverged
        else:
            assert_equal(found, result)


def test_a_claim_that_broke_off_repeats_only_what_had_not_finished(
    kept: FinishedTrials, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials: list[Trial] = [point(seed) for seed in range(3)]
    kept.keep(run_trial(trials[1]))
    begun: list[Trial] = []
    run_trials = variants.run_trials
    monkeypatch.setattr(variants, "run_trials", lambda left, finished: begun.extend(left) or run_trials(left, finished))
    results = run_claim(CLAIM, trials, kept)
    assert begun == [trials[0], trials[2]]
    assert [result.trial for result in results] == trials
    for result in results:
        np.testing.assert_array_equal(result.last_samples(), run_trial(result.trial).last_samples())
    begun.clear()
    run_claim(CLAIM, trials, kept)
    assert begun == []


def test_another_flow_run_repeats_its_own_trials(kept: FinishedTrials) -> None:
    kept.keep(run_trial(point()))
    assert replace(kept, flow_run_id="another").load(point()) is None


def test_a_damaged_result_is_repeated_with_a_warning(kept: FinishedTrials, caplog: pytest.LogCaptureFixture) -> None:
    kept.keep(run_trial(point()))
    (entry,) = list(kept.storage.list(kept.settings.evaluation_prefix))
    kept.storage.put_bytes(entry.key, kept.storage.get_bytes(entry.key)[:-40])
    assert kept.load(point()) is None
    assert "the trial is repeated" in caplog.text


def test_a_trial_is_named_by_everything_but_the_folder_of_its_images(tmp_path: Path) -> None:
    first = ImageTrial("WGAN", on_images("wgan", 10, 0), tmp_path / "a", "dcgan", 8, 64, 32, 10)
    assert trial_digest(first) == trial_digest(replace(first, folder=tmp_path / "b"))
    for other in (replace(first, width=16), replace(first, training=on_images("wgan", 10, 1)), point()):
        assert trial_digest(other) != trial_digest(first)
