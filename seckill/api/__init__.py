"""API: the JSON API behind the gate, one file a noun. A top layer: nothing imports it."""
