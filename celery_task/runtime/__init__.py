"""Runtime: what every task and worker needs and is no task itself."""
