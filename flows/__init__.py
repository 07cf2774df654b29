"""Prefect flows: what happens in which order, and nothing else."""
