"""MLflow's REST API 2.0, for what needs no file uploaded: MLflow's own client takes seconds to import."""
