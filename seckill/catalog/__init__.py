"""Catalog: products, sales, banners and their pictures. Imports no other part of the shop."""
