"""Accounts: who buys. Sessions, the login cookie that the gate reads, passwords. Uses the line's Redis."""
