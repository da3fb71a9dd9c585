"""Busy: base class of errors for overload."""


class BusyError(Exception):
    """A request was rejected because too many others wait. The raiser counts it in a metric; it is not logged."""
