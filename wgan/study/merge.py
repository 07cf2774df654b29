"""One study from several: claims that were tested on different machines, in one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from wgan.errors import UsageError
from wgan.study.records import StudyOutcome
from wgan.study.report import RESULTS


def read_outcome(folder: Path) -> StudyOutcome:
    """The outcome in a report's folder. Raises `UsageError` if there is none."""
    try:
        return StudyOutcome.model_validate_json((folder / RESULTS).read_bytes())
    except OSError as error:
        raise UsageError(f"{folder} is not a report's folder: {RESULTS} cannot be read ({error.strerror}).") from None
    except ValidationError:
        raise UsageError(f"{folder / RESULTS} is not the outcome of a study.") from None


def merged(outcomes: Sequence[StudyOutcome]) -> StudyOutcome:
    """All their claims in order; runs are listed together.

    Raises `UsageError` if they differ in size, seed or images, or if a claim was tested twice.
    """
    first = outcomes[0]
    images = {outcome.digits for outcome in outcomes if outcome.digits}
    for name, values in (
        ("sizes", {outcome.size for outcome in outcomes}),
        ("seeds", {str(outcome.seed) for outcome in outcomes}),
        ("images", images),
    ):
        if len(values) > 1:
            raise UsageError(f"the reports have different {name} ({', '.join(sorted(values))}): one report has one.")
    results = sorted((result for outcome in outcomes for result in outcome.results), key=lambda r: r.claim.number)
    numbers = [result.claim.number for result in results]
    if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise UsageError(f"claim {twice[0]} is in more than one report: leave one of them out.")
    return first.model_copy(
        update={
            "digits": next(iter(images), ""),
            "results": tuple(results),
            "flow_run_id": ", ".join(outcome.flow_run_id for outcome in outcomes),
            "mlflow_run_id": ", ".join(outcome.mlflow_run_id for outcome in outcomes),
        }
    )
