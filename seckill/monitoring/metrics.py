"""``/metrics``: metrics of the web processes, plus queues, the leading beat and alerts.

Workers and beats serve their own metrics (`celery_task.runtime.metrics_server`). Queues, leader and alerts are read
here at each scrape; metrics that can't be read are left out of the response.
"""

from collections.abc import Iterator

import redis
import structlog
from django.db import DatabaseError, InterfaceError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from django_redis.exceptions import ConnectionInterrupted
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from celery_task.models import Leader
from celery_task.runtime import queue_probe
from seckill.monitoring.models import Alert

log = structlog.get_logger(__name__)


class WorkCollector:
    """Prometheus collector for queues, the leading beat and alerts."""

    def describe(self) -> Iterator[Metric]:
        """Return no metrics, so that registration does not call `collect` for their names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics that can be read."""
        yield from self.queues()
        for look in (self.ages, self.beat, self.alerts):
            try:
                yield look()
            except (redis.RedisError, ConnectionInterrupted, DatabaseError, InterfaceError) as error:
                log.warning("metric_unavailable", metric=look.__name__, error=str(error))

    def queues(self) -> Iterator[Metric]:
        """Yield whether the broker answers, and the number of messages per queue."""
        try:
            depths = queue_probe.queue_depths()
        except queue_probe.BROKER_ERRORS as error:
            log.warning("metric_unavailable", metric="queues", error=str(error))
            yield GaugeMetricFamily("seckill_broker_up", "Whether the broker responds", 0)
            return
        yield GaugeMetricFamily("seckill_broker_up", "Whether the broker responds", 1)
        family = GaugeMetricFamily("seckill_queue_messages", "Messages waiting for a worker", labels=["queue"])
        for queue, messages in depths.items():
            family.add_metric([queue], messages)
        yield family

    def ages(self) -> Metric:
        """Return a lower bound of the oldest message's age per queue."""
        family = GaugeMetricFamily("seckill_queue_oldest_seconds", "Age of the oldest message", labels=["queue"])
        for queue, seconds in queue_probe.queue_ages().items():
            family.add_metric([queue], seconds)
        return family

    def beat(self) -> Metric:
        """Return the leader's heartbeat count. If it does not grow, no beat leads; no clocks are compared."""
        leader = Leader.objects.filter(pk=1).first()
        heartbeat_count = leader.heartbeat_count if leader else 0
        return CounterMetricFamily("seckill_beat_heartbeats", "Heartbeats of the leading beat", heartbeat_count)

    def alerts(self) -> Metric:
        """Return the number of open alerts per kind."""
        family = GaugeMetricFamily("seckill_alerts_open", "Unresolved alerts", labels=["kind"])
        open_alerts = Alert.objects.filter(resolved_at__isnull=True).order_by()
        found = dict(open_alerts.values_list("kind").annotate(Count("pk")))
        for kind in Alert.Kind.values:
            family.add_metric([kind], found.get(kind, 0))
        return family


WORK = CollectorRegistry()
WORK.register(WorkCollector())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics in Prometheus' text format."""
    counted: HttpResponse = ExportToDjangoView(request)
    counted.write(generate_latest(WORK))
    return counted
