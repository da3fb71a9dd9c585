"""Accounts: the user model, sessions, passwords, and the login cookie that the gate reads. Uses the line's Redis."""
