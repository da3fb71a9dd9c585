"""JSON API behind the gate, one file per noun. A top layer: domain code does not import it."""
