"""The gate: the connections of a web process. It answers what is hot; everything else goes on to Django."""
