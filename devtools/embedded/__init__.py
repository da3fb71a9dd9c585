"""Real Valkey and PostgreSQL servers as child processes, for the demo, tests and load tests."""
