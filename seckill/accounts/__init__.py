"""Accounts: the user model, sessions, passwords, and the login cookie that the gate reads.

Layer: above the line, whose Redis it uses; below the ledger (`orders`).
"""
