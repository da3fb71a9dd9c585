"""The pages that buyers see. A top layer: domain code does not import it."""
