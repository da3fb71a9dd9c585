"""The ledger: which orders there are, and everything that may change one."""
