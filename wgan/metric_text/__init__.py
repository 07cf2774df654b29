"""Measurements and the gate's decision in words and tables, for people; reads records and nothing else."""
