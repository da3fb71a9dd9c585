"""Busy: more asked for something than it can do, and some are refused for now."""


class BusyError(Exception):
    """A request was refused because too many wait for the same. Whoever raises it counts it; nobody logs it."""
