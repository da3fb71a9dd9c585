"""Backoffice: the admin, one file a noun. A top layer: nothing imports it."""
