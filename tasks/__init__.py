"""Prefect tasks: retries, caching, progress and artifacts round one call into the library each."""
