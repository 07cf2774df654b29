"""The metrics, a file each; `compute` lists them all."""
