"""Monitoring: alerts, hosts, health, metrics and logs. Above the ledger; the sale does not depend on it."""
