"""The comparison: three systems in three scenarios, each run audited, and a report."""
