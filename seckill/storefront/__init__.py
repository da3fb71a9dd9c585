"""Storefront: the pages that buyers see. A top layer: nothing imports it."""
