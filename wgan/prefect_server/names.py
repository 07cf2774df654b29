"""The names of this pipeline's flows, and of their final states, on the Prefect server."""

from __future__ import annotations

RETRAIN = "retrain"
HOUSEKEEPING = "housekeeping"
SCHEDULED = (RETRAIN, HOUSEKEEPING)
"""Flows of schedules."""
PROMOTE = "promote"
ROLLBACK = "rollback"
EVALUATE = "evaluate"
COMPARE = "compare"
PREPARE_DATA = "prepare_data"
STUDY = "study"
BACKUP = "backup"
ON_DEMAND = (PROMOTE, ROLLBACK, EVALUATE, COMPARE, PREPARE_DATA, STUDY, BACKUP)
"""Flows that people start from Prefect's page."""
RELEASE = "release"
DECISIONS = ("approve", "refuse")
"""Runs of commands about a version that is on its way."""
FLOWS = (*SCHEDULED, *ON_DEMAND, RELEASE)
"""Everything that a worker runs."""
TAG = "wgan-schedule"
"""The tag of every deployment whose runs workers restart after a crash."""

REFUSED = "Refused"
"""The gate or serving refused. The run did its work, so it counts as completed."""
SKIPPED = "Skipped"
"""There was nothing to do."""
STOPPED = "Stopped"
"""Somebody pressed Ctrl-C. The run can be resumed, so it counts as cancelled."""
NOT_DONE = "Not done"
"""The request was impossible: nothing failed and nothing was changed. It also counts as cancelled."""
COMPLETED_NAMES = ("Completed", REFUSED, SKIPPED)
"""Every name under which a run of this pipeline is completed."""
CANCELLED_NAMES = ("Cancelled", STOPPED, NOT_DONE)
"""Every name under which a run of this pipeline is cancelled."""
