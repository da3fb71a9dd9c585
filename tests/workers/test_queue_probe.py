"""Queue length and latency on both brokers, and their metrics for Prometheus."""

import socket
import time
from collections.abc import Iterator

import pytest
import time_machine
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from celery_task.home_task import update_banner_list
from celery_task.models import Leader
from celery_task.monitoring_task import mail_alert, probe_queues, receive_probe
from celery_task.queues import NOTIFICATIONS, ON_REDIS, ORDERS, PRIORITY_HIGH, PRIORITY_LOW
from celery_task.runtime import queue_probe
from devtools.embedded.shop import PROJECT
from devtools.waiting import wait_until
from seckill.monitoring.models import Alert
from tests.workers.conftest import StartWorker
from tests.workers.messages import tasks

pytestmark = pytest.mark.django_db(transaction=True)

HEAR = "celery_task.monitoring_task.receive_probe"


def shown() -> dict[str, float]:
    """Return ``name{label}`` → value of the metrics collected on each scrape."""
    page = Client().get("/metrics")
    assert page.status_code == 200
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.content.decode())
        for sample in family.samples
        if sample.name.startswith(("seckill_queue", "seckill_broker", "seckill_beat", "seckill_alerts_open"))
    }


def sent_earlier(queue: str, seconds: float) -> None:
    """Move the probe of a queue this far into the past."""
    queue_probe.mark_sent(queue, time.time() - seconds)


@pytest.fixture
def _deaf_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A broker that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        scheme = "redis" if ON_REDIS else "amqp"
        monkeypatch.setenv("CELERY_BROKER_URL", f"{scheme}://guest:guest@127.0.0.1:{deaf.getsockname()[1]}/1")
        yield


# --- Length


def test_messages_of_every_priority_are_counted() -> None:
    assert queue_probe.queue_depths() == {"orders": 0, "default": 0, "notifications": 0, "exports": 0}

    for priority in (PRIORITY_HIGH, 5, PRIORITY_LOW):
        mail_alert.apply_async((1,), priority=priority)
    update_banner_list.delay()

    assert queue_probe.queue_depths() == {"orders": 0, "default": 1, "notifications": 3, "exports": 0}
    assert len(tasks(NOTIFICATIONS)) == 3


# --- Latency


def test_a_queue_that_is_served_is_young_and_one_that_nobody_serves_grows_older(start_worker: StartWorker) -> None:
    served = {"notifications", "exports"}
    start_worker("default,notifications,exports")
    probe_queues.delay()
    wait_until(
        "two were heard", lambda: {name for name, one in queue_probe.read_probes().items() if one.received_at} == served
    )
    assert queue_probe.queue_ages() | {"orders": 0, "default": 0} == {
        "orders": 0,
        "default": 0,
        "notifications": 0,
        "exports": 0,
    }
    assert queue_probe.queue_ages()["orders"] > 0

    sent_earlier("orders", 40)

    ages = queue_probe.queue_ages()
    assert (ages["notifications"], ages["exports"]) == (0, 0)
    assert ages["orders"] >= 40 > ages["default"]


def test_a_queue_that_nobody_serves_gets_one_probe_and_not_one_each_time() -> None:
    for _ in range(3):
        probe_queues.run()

    assert tasks(ORDERS) == [HEAR]
    probe_queues.run()  # the queue is empty and the probe was not consumed: it is lost
    assert tasks(ORDERS) == [HEAR]


def test_a_probe_lost_in_a_queue_that_is_never_empty_is_sent_again_after_ten_minutes() -> None:
    probe_queues.run()
    sent_earlier("orders", 590)
    probe_queues.run()
    assert 590 <= queue_probe.queue_ages()["orders"] <= 600
    sent_earlier("orders", 601)
    probe_queues.run()

    assert queue_probe.queue_ages()["orders"] < 590
    assert tasks(ORDERS) == [HEAR, HEAR]


def test_an_old_probe_that_is_received_late_changes_nothing() -> None:
    now = time.time()
    queue_probe.mark_sent("orders", now)
    receive_probe.run("orders", now)
    receive_probe.run("orders", now - 60)

    assert queue_probe.read_probes()["orders"].received_at == now


def test_the_queue_of_the_prober_grows_old_when_it_does_not_run() -> None:
    assert queue_probe.queue_ages() == {}
    now = time.time()
    queue_probe.mark_received("default", now)
    with time_machine.travel(now + 4, tick=False):
        assert queue_probe.queue_ages() == {"default": 0}
    with time_machine.travel(now + 45, tick=False):
        assert queue_probe.queue_ages() == {"default": pytest.approx(40, abs=0.001)}


# --- Prometheus


def test_metrics_show_queues_beat_and_alerts() -> None:
    probe_queues.run()
    sent_earlier("exports", 30)
    Leader.objects.create(pk=1, holder="web-1:7:x", heartbeat_count=4_711)
    Alert.objects.create(kind="drift", subject="sale 7", started_at="2026-11-21T12:00:00Z")
    Alert.objects.create(
        kind="drift", subject="sale 8", started_at="2026-11-21T12:00:00Z", resolved_at="2026-11-21T12:01:00Z"
    )

    found = shown()

    oldest = found.pop("seckill_queue_oldest_seconds{exports}")
    assert 30 <= oldest < 60
    assert {name: value for name, value in found.items() if "oldest" not in name} == {
        "seckill_broker_up": 1,
        "seckill_queue_messages{orders}": 1,
        "seckill_queue_messages{default}": 0,
        "seckill_queue_messages{notifications}": 1,
        "seckill_queue_messages{exports}": 1,
        "seckill_beat_heartbeats_total": 4_711,
        "seckill_alerts_open{drift}": 1,
        "seckill_alerts_open{contradiction}": 0,
        "seckill_alerts_open{stalled}": 0,
        "seckill_alerts_open{host_silent}": 0,
    }
    assert sorted(name for name in found if "oldest" in name) == [
        f"seckill_queue_oldest_seconds{{{queue}}}" for queue in ("default", "notifications", "orders")
    ]


@pytest.mark.usefixtures("_deaf_broker")
def test_a_broker_that_does_not_respond_leaves_the_other_metrics() -> None:
    found = shown()  # which would hang

    assert found["seckill_broker_up"] == 0
    assert found["seckill_beat_heartbeats_total"] == 0
    assert not [name for name in found if name.startswith("seckill_queue_messages")]


@pytest.mark.usefixtures("_cache_is_away", "_database_is_away")
def test_without_cache_and_ledger_the_other_metrics_remain() -> None:
    found = shown()

    assert found == {
        "seckill_broker_up": 1,
        **{f"seckill_queue_messages{{{q.name}}}": 0 for q in queue_probe.WORK_QUEUES},
    }


def test_the_rules_for_prometheus_know_only_metrics_that_there_are() -> None:
    rules = [
        rule
        for group in yaml.safe_load((PROJECT / "deploy/alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    ]
    sources = "".join(
        (PROJECT / path).read_text() for path in ("seckill/monitoring/metrics.py", "celery_task/runtime/metrics.py")
    )

    named = {word for rule in rules for word in _words(rule["expr"]) if word.startswith("seckill_")}

    assert len(rules) == 6
    assert {name for name in named if f'"{name.removesuffix("_total")}"' not in sources} == set()
    scraping = yaml.safe_load((PROJECT / "deploy/prometheus.yml").read_text())
    assert scraping["rule_files"] == ["alerts.yml"]


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()
