"""Prefect tasks: retries, caching, progress and artifacts round one call into the library each."""

import logging
import os

from tasks import results as results  # Prefect looks for the block's class when a flow begins
from tasks.run_logs import without_foreseen_traceback
from wgan.printable import use_printable_records
from wgan.proxies import settle_proxies

# Prefect keeps what the library says of a run (PREFECT_LOGGING_EXTRA_LOGGERS); left alone, that would be warnings only.
logging.getLogger("wgan").setLevel(logging.INFO)
use_printable_records()
for _runs in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_runs).addFilter(without_foreseen_traceback)
settle_proxies(os.environ)  # a run's process may have been started by something else than `wgan`
