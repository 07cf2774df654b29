"""The Prefect server over its HTTP API: schedules, runs and their logs, the work pool, GPU slots, automations.

Importing Prefect takes seconds, which a command that only queries the server should not cost.
"""
