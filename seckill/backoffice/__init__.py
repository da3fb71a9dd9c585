"""The admin, one file per noun.

Layer: above API, gate and storefront; only the entry points are above it.
"""
