"""A flash sale: a line in front of a small stock."""
