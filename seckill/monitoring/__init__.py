"""Monitoring: alerts, hosts, health, metrics and logs. A sale works without it.

Layer: alerts, logs and models are above the ledger (`orders`) and below tasks; health and metrics, which respond to
HTTP, are beside API and gate.
"""
