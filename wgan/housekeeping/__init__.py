"""Housekeeping: removes what is no longer referred to, by explicit rules, one file each; see docs/housekeeping.md.

`survey` asks MLflow and Prefect for references and checks the clocks; each rule lists the candidates, keeps those that
are recent or referred to, and counts the reasons. Nothing below the ledger's and MLflow's own prefixes is ever touched.
"""
