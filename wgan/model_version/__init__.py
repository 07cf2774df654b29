"""A registered version of a generator, shared by serving and the pipeline: needs neither torch nor MLflow."""
