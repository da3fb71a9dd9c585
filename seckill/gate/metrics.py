"""What the gate counts for Prometheus (``/metrics``), summed over the processes of one gunicorn."""

from collections import Counter as Counts

from prometheus_client import Counter, Histogram

RESPONSES = Counter("seckill_gate_responses", "Answers of the gate", ["call", "status"])
ADMIT_BATCH_SIZE = Histogram(
    "seckill_admit_batch_size",
    "Buyers in one call of admit",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
DOORBELLS = Counter("seckill_doorbells", "Doorbells rung, or not rung because the broker was away", ["result"])
RESPONSE_CACHE = Counter(
    "seckill_response_cache", "Requests that passed the gate: a shared answer, or Django asked", ["result"]
)
CONNECTIONS_REFUSED = Counter("seckill_connections_refused", "Connections answered 503 because too many were open")


class ResponseTally(Counts[tuple[str, int]]):
    """Answers by call and status; `flush` adds them to `RESPONSES`. A Prometheus counter costs more than a poll."""

    def flush(self) -> None:
        """Publish what was counted since the last time."""
        for (call, status), count in self.items():
            if call == "shared":
                RESPONSE_CACHE.labels("shared").inc(count)
            else:
                RESPONSES.labels(call, status).inc(count)
        self.clear()
