"""The benchmark: throughput and costs measured with wrk, and a run with a million purchases."""
