"""Prefect tasks: retries, caching, progress and artifacts around one library call each."""

import logging
import os

from tasks import results as results  # Prefect needs the block's class when a flow starts
from tasks.run_logs import without_foreseen_traceback
from wgan.printable import use_printable_records
from wgan.proxies import normalise_proxies

# Prefect stores the library's logs of a run (PREFECT_LOGGING_EXTRA_LOGGERS); by default only warnings.
logging.getLogger("wgan").setLevel(logging.INFO)
use_printable_records()
for _runs in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_runs).addFilter(without_foreseen_traceback)
normalise_proxies(os.environ)  # a run's process may not have been started by `wgan`
