"""MLflow's REST API 2.0, for everything but uploads, because MLflow's own client takes seconds to import."""
