"""The main job: data → training → evaluation → registration → comparison → gated promotion → serving → report."""

from __future__ import annotations

from prefect import flow

from flows.endings import ended, named_endings
from tasks.data import find_too_little_new, prepare_data
from tasks.data_report import find_no_drift, keep_data_report, report_on_data
from tasks.evaluation import compare_generator, decide_promotion, evaluate_generator
from tasks.model_queue import wait_in_queue
from tasks.registration import register_generator
from tasks.registry import promote_generator, require_comparable
from tasks.report import announce_run, end_run_as_failed, end_run_as_killed, publish_report
from tasks.restarts import end_tasks_of_dead_processes, stop_after_many_starts
from tasks.serving import confirm_serving, roll_back_refused
from tasks.training import train_generator
from wgan.amounts import Amount
from wgan.config import RetrainConfig
from wgan.plugins import require_plugins
from wgan.records import RetrainOutcome, RetrainSkipped, ServingCheck


@flow(
    name="retrain",
    flow_run_name="{config.model_name} seed {config.training.seed}",
    persist_result=True,
    on_running=[announce_run],
    on_failure=[end_run_as_failed],
    on_crashed=[end_run_as_killed],
    on_cancellation=[end_run_as_killed],
)
@named_endings(resumed_by="wgan retrain --resume")
def retrain(
    config: RetrainConfig,
    promote: bool = True,
    only_if_changed: bool = False,
    min_new: Amount | None = None,
    only_if_drifted: bool = False,
    accept_data: str | None = None,
    accept_reason: str | None = None,
) -> RetrainOutcome | RetrainSkipped:
    """Prepare the data, train a generator, register it, judge it against the champion, and if better serve it.

    Args:
        config: What the run is: data, networks, training, evaluation protocol and the gate.
        promote: Ask the gate and move the champion alias; else register only.
        only_if_changed: Train only on data that no version of the model was trained on yet.
        min_new: Train only if so many images are new since the latest version: 500, or 5% of those there were.
        only_if_drifted: Train only if the data has moved from the champion's beyond the rules on drift.
        accept_data: Beginning of the digest of a data set to train on although its rules refuse it.
        accept_reason: Why, for the record.
    """
    stop_after_many_starts()
    end_tasks_of_dead_processes()
    require_plugins(config)
    wait_in_queue(config.model_name)
    require_comparable(config)
    dataset = prepare_data(config.data)
    on_condition = only_if_changed or min_new is not None or only_if_drifted
    if on_condition and (too_little := find_too_little_new(config.model_name, dataset, min_new)):
        return ended(too_little)
    report = report_on_data(config, dataset, accept_data, accept_reason, champion_too=only_if_drifted)
    if only_if_drifted and (steady := find_no_drift(config.model_name, report)):
        return ended(steady)
    training = train_generator(config, dataset, report.moved if only_if_drifted else None)
    keep_data_report(report, training)
    evaluation = evaluate_generator(config, training)
    version = compare_generator(config, register_generator(config, evaluation))
    promotion, serving = None, tuple[ServingCheck, ...]()
    if promote:
        decision = decide_promotion(config.promotion, version)
        promotion = promote_generator(version, decision, rules=config.promotion)
        serving = confirm_serving(promotion)
        promotion = roll_back_refused(promotion, serving)
    outcome = RetrainOutcome(version=version, promotion=promotion, serving=serving)
    publish_report(outcome)
    return ended(outcome)
