"""The line: which buyers may buy, in which order. It uses Redis, but neither HTTP nor SQL.

Layer: above the catalog, below accounts and the ledger (`orders`).
"""
