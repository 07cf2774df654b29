"""Measurements and the gate's decision in words and tables, for people; reads only records."""
