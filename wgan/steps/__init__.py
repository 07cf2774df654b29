"""What the tasks do, one module per step: the only place where the stages meet."""
