"""MLflow runs: what is logged, how it is found again, and how it survives a lost connection."""
