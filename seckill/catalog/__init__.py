"""Catalog: products, sales, banners and their pictures. The lowest layer."""
