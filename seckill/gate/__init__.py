"""The gate: the HTTP server of a web process. It responds to hot requests itself and forwards all others to Django."""
