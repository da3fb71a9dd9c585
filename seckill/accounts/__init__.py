"""Accounts: the user model, user names, sessions, passwords, and the login cookie that the gate reads. Uses the line's Redis."""
