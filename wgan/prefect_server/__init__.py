"""The Prefect server by its HTTP API: schedules, runs and their logs, the work pool, GPU slots, automations.

Importing Prefect takes seconds, which a command that only asks need not wait for.
"""
