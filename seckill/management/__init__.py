"""Management commands and the pictures of the demo data.

Layer: an entry point, above all other parts of the shop.
"""
