"""What the tasks do, one module a step: the only place where the stages meet."""
