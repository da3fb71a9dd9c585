"""The benchmark: ceilings and costs with wrk, and a million purchases."""
