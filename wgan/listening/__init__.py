"""Takes the notifications of an object store, and has Prefect start the schedules whose data has changed."""
