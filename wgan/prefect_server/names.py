"""The names of this pipeline's flows, and of their final states, on the Prefect server."""

from __future__ import annotations

RETRAIN = "retrain"
HOUSEKEEPING = "housekeeping"
TAG = "wgan-schedule"
"""The tag of every deployment and run of a schedule, which workers look for."""

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
