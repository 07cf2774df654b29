"""The metrics, one file each; `compute` lists them all."""
