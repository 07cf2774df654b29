"""Housekeeping: what nobody refers to any more is removed by stated rules, one file for each; see docs/housekeeping.md.

`survey` asks MLflow and Prefect what is referred to and looks at the clocks; each rule lists what there is, keeps what
is young or referred to, and counts why. Nothing below the ledger's and MLflow's own prefixes is ever touched.
"""
