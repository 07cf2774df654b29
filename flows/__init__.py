"""Prefect flows: what happens in which order, and nothing else."""

from wgan.telemetry import start_telemetry

start_telemetry("wgan-pipeline")  # before Prefect's engine opens the span of a flow run
