"""The ledger: the orders, and every operation that changes one."""
