"""Metrics of the gate for Prometheus (``/metrics``), summed over the web processes of a host."""

from collections import Counter as Counts

from prometheus_client import Counter, Histogram

RESPONSES = Counter("seckill_gate_responses", "Responses of the gate", ["call", "status"])
ADMIT_BATCH_SIZE = Histogram(
    "seckill_admit_batch_size",
    "Buyers per call of admit.lua",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
DOORBELLS = Counter("seckill_doorbells", "Doorbells rung, or not rung because the broker was unavailable", ["result"])
RESPONSE_CACHE = Counter(
    "seckill_response_cache",
    "Requests behind the gate: answered from the response cache (hit) or by Django (miss)",
    ["result"],
)
CACHE_HIT = "hit"  #: of `RESPONSE_CACHE`, and the route under which `ResponseTally` counts it
CONNECTIONS_REFUSED = Counter("seckill_connections_refused", "Connections refused with 503 because too many were open")


class ResponseTally(Counts[tuple[str, int]]):
    """Counts responses by route and status until `flush`. Incrementing a Prometheus counter costs more than a poll."""

    def flush(self) -> None:
        """Add the counts since the last call to the Prometheus counters."""
        for (call, status), count in self.items():
            if call == CACHE_HIT:
                RESPONSE_CACHE.labels(CACHE_HIT).inc(count)
            else:
                RESPONSES.labels(call, status).inc(count)
        self.clear()
