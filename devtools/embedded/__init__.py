"""Embedded servers: a real Valkey and a real PostgreSQL as child processes, for the demo and for tests."""
