"""Monitoring: alerts, hosts, health, metrics and logs. Imports the ledger; a sale works without monitoring."""
