"""The admin, one file per noun. A top layer: domain code does not import it."""
