"""One registered version of a generator, as serving and the pipeline both see it: without torch and without MLflow."""
