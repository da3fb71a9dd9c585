"""Management commands and the pictures of the demo data."""
