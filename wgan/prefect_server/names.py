"""What this pipeline's flows, and the states in which their runs end, are called on the Prefect server."""

from __future__ import annotations

RETRAIN = "retrain"
HOUSEKEEPING = "housekeeping"
TAG = "wgan-schedule"
"""On every deployment and run of a schedule: what workers look for."""

REFUSED = "Refused"
"""The gate, or serving, said no. The run did its work, so it counts as completed."""
SKIPPED = "Skipped"
"""There was nothing to do."""
STOPPED = "Stopped"
"""Somebody pressed Ctrl-C. The run can be resumed, so it counts as cancelled."""
NOT_DONE = "Not done"
"""It was asked for something that cannot be: nothing failed, and nothing was changed. It counts as cancelled, too."""
COMPLETED_NAMES = ("Completed", REFUSED, SKIPPED)
"""Every name under which a run of this pipeline is completed."""
CANCELLED_NAMES = ("Cancelled", STOPPED, NOT_DONE)
"""Every name under which a run of this pipeline is cancelled."""
