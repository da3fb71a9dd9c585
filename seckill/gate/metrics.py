"""What the gate counts for Prometheus (``/metrics``), summed over the processes of one gunicorn."""

from prometheus_client import Counter, Histogram

ANSWERS = Counter("seckill_gate_answers", "Answers of the gate", ["call", "status"])
ADMITTED_GROUP = Histogram(
    "seckill_admitted_group_buyers",
    "Buyers in one call of admit",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
DOORBELLS = Counter("seckill_doorbells", "Doorbells rung, or not rung because the broker was away", ["result"])
PUBLIC_ANSWERS = Counter(
    "seckill_public_answers", "Requests that passed the gate: a shared answer, or Django asked", ["result"]
)
