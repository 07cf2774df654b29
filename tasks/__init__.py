"""Prefect tasks: retries, caching, progress and artifacts round one call into the library each."""

import logging

from tasks import results as results  # Prefect looks for the block's class when a flow begins

# Prefect keeps what the library says of a run (PREFECT_LOGGING_EXTRA_LOGGERS); left alone, that would be warnings only.
logging.getLogger("wgan").setLevel(logging.INFO)
