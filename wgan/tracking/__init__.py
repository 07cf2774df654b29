"""MLflow runs: what is logged, where it is found again, and what a lost connection must not lose."""
