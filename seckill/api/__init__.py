"""JSON API behind the gate, one file per noun. Top layer: no other package imports it."""
