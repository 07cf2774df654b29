"""How a run ended, in a name and a sentence: what the server's page shows beside it."""

from __future__ import annotations

from typing import TypeVar, cast

from prefect.logging import get_run_logger
from prefect.states import Completed

from wgan.records import DataUnchanged, LedgerEntry, RetrainOutcome

REFUSED = "Refused"
"""The gate, or serving, said no. The run did its work, so it counts as completed."""
SKIPPED = "Skipped"
"""There was nothing to do."""
NAMES = ("Completed", REFUSED, SKIPPED)
"""Every name under which a run of this pipeline is completed."""


Outcome = TypeVar("Outcome", RetrainOutcome, DataUnchanged, LedgerEntry)


def ended(outcome: Outcome) -> Outcome:
    """The state of a run whose result is `outcome`; when a flow returns it, Prefect gives the caller the outcome.

    The state's message is also the last line of the run's log.
    """
    name, message = _words(outcome)
    get_run_logger().info(message)
    return cast(Outcome, Completed(name=name, message=message, data=outcome))


def _words(outcome: RetrainOutcome | DataUnchanged | LedgerEntry) -> tuple[str, str]:
    if isinstance(outcome, DataUnchanged):
        return SKIPPED, (
            f"Skipped: the data is unchanged; {outcome.model_name} version {outcome.version} was trained on it "
            f"(digest {outcome.dataset.digest[:12]})."
        )
    if isinstance(outcome, RetrainOutcome):
        if outcome.promotion is None:
            made = outcome.version
            return "Completed", f"Registered: {made.model_name} version {made.version}; promotion was not asked for."
        return _words(outcome.promotion)
    version = f"{outcome.model_name} version {outcome.to_version}"
    if outcome.action == "refused":
        return REFUSED, f"Refused: {version}. {outcome.reason}"
    if outcome.action == "rolled-back":
        return REFUSED, f"Taken back: {version} is the champion again. {outcome.reason}"
    return "Completed", f"Promoted: {version}. {outcome.reason}"
