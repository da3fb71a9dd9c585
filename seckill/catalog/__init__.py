"""Catalog: products, sales, banners and their pictures.

Layer: below the line and everything else of the shop; only errors, timestamps and rate are below it.
"""
