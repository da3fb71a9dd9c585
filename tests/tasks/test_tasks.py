"""Tasks as plain calls: they fetch, call the domain, and send doorbells to the real broker."""

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone
from django_celery_beat.tzcrontab import TzAwareCrontab

from celery_task.celery import app
from celery_task.export_task import export_orders, purge_exports, resume_stalled_exports
from celery_task.home_task import update_banner_list
from celery_task.host_task import request_heartbeats, request_log_rotation
from celery_task.monitoring_task import mail_alert, probe_queues, run_checks
from celery_task.notification_task import dispatch_events, notify_buyers, publish_events, purge_events, remind_buyers
from celery_task.order_task import (
    cancel_order,
    expire_unpaid_orders,
    reconcile_sales,
    ring,
    ring_doorbells,
    settle_orders,
)
from celery_task.queues import DEFAULT, ON_REDIS, ORDERS
from celery_task.user_task import clear_expired_sessions
from orders.models import Audit, Order
from orders.payment import cancel
from seckill.catalog.banners import BANNERS_KEY
from seckill.catalog.models import Banner, Sale
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import add_units_behind_its_back, entries, join, sell, snapshot_of, sold
from tests.workers.messages import take

pytestmark = pytest.mark.django_db


def rung() -> list[list[int]]:
    """Take the doorbells from the workers' queue, oldest first: [sale, upto]."""
    messages = take(ORDERS)
    assert {message.headers["task"] for message in messages} <= {"celery_task.order_task.settle_orders"}
    assert {message.content_type for message in messages} <= {"application/json"}
    return [json.loads(message.body)[0] for message in messages]


def test_a_doorbell_settles_the_sale(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")

    settle_orders.run(sale.pk, 1)
    assert entries(sale) == [(1, "ann", "pending")]
    join(line, sale, "ben", "cleo")
    settle_orders.run(sale.pk, 3)
    settle_orders.run(sale.pk, 2)  # late, and repeated

    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending")]


def test_a_late_doorbell_settles_buyers_who_came_after_it_too(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=5)
    join(line, sale, "ann", "ben", "cleo")

    settle_orders.run(sale.pk, 1)

    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending"), (3, "cleo", "pending")]


def test_a_doorbell_of_a_sale_redis_does_not_know_is_no_error(make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    line.invalidate(sale.pk)

    settle_orders.run(sale.pk, 1)

    assert (entries(sale), rung()) == ([], [])


def test_ringing_leaves_one_message_for_the_workers() -> None:
    ring(7, 4_821)

    assert rung() == [[7, 4_821]]
    assert take(DEFAULT) == []


def test_the_sweeper_rings_for_the_lost_bells_only(make_sale: MakeSale, line: Line) -> None:
    lost, quiet, new = make_sale(stock=3), make_sale(stock=3), make_sale(stock=3, publish=False)
    join(line, lost, "ann", "ben")
    sell(line, quiet, "ann")

    ring_doorbells.run()

    assert rung() == [[lost.pk, 2]]
    assert snapshot_of(line, new).epoch == 1


def test_expiry_brings_the_units_back_and_rings_for_those_who_wait(make_sale: MakeSale, line: Line) -> None:
    sale, quiet = make_sale(stock=2), make_sale(stock=1)
    orders = sell(line, sale, "ann", "ben", "cleo", "dan")
    sell(line, quiet, "zoe")
    cancel(orders["ben"])
    Order.objects.filter(sale=sale, buyer="ann").update(pay_before=timezone.now() - timedelta(seconds=1))

    expire_unpaid_orders.run()

    [bell] = rung()
    assert bell == [sale.pk, 4]
    assert (sold(sale), snapshot_of(line, sale).stock) == (0, 2)
    settle_orders.run(*bell)
    assert entries(sale) == [
        (1, "ann", "expired"),
        (2, "ben", "cancelled"),
        (3, "cleo", "pending"),
        (4, "dan", "pending"),
    ]
    expire_unpaid_orders.run()
    assert rung() == []  # nothing was released, so no doorbell was sent


def test_the_reconciler_rebuilds_what_differs_and_nothing_else(make_sale: MakeSale, line: Line) -> None:
    wrong, right, unknown = make_sale(stock=2), make_sale(stock=2), make_sale(stock=2, publish=False)
    ended = make_sale(publish=False, ended_at=timezone.now())
    sell(line, wrong, "ann")
    add_units_behind_its_back(line, wrong, 7)

    reconcile_sales.run()

    assert list(Audit.objects.order_by("sale").values_list("sale", "triggered_by", "result", "repaired")) == [
        (wrong.pk, "beat", "drift", True),
        (right.pk, "beat", "agrees", False),
        (unknown.pk, "beat", "unknown", True),
    ]
    reconcile_sales.run()
    assert set(Audit.objects.values_list("result", "repaired")) == {("agrees", False)}
    assert [(snapshot_of(line, sale).epoch, snapshot_of(line, sale).stock) for sale in (wrong, right, unknown)] == [
        (2, 1),
        (1, 2),
        (1, 2),
    ]
    assert line.client.exists(f"{{sale:{ended.pk}}}:meta") == 0


def test_a_ledger_that_contradicts_itself_keeps_nobody_else_from_being_repaired(
    make_sale: MakeSale, line: Line
) -> None:
    contradictory, wrong = make_sale(stock=2), make_sale(stock=2)
    Sale.objects.filter(pk=contradictory.pk).update(sold=1)
    add_units_behind_its_back(line, wrong, 7)

    reconcile_sales.run()

    assert [snapshot_of(line, sale).epoch for sale in (contradictory, wrong)] == [1, 2]
    assert Audit.objects.get(sale=contradictory).result == "contradiction"


def test_the_banner_list_follows_the_database() -> None:
    banner = Banner.objects.create(title="Copper kettles", image="banners/kettles.png")
    update_banner_list.run()
    Banner.objects.update(title="Brass kettles")
    assert cache.get(BANNERS_KEY)["banners"][0]["title"] == "Copper kettles"

    update_banner_list.run()

    assert [(entry["id"], entry["title"]) for entry in cache.get(BANNERS_KEY)["banners"]] == [
        (banner.pk, "Brass kettles")
    ]


def test_sessions_nobody_can_use_any_more_are_deleted() -> None:
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="x", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="new", session_data="x", expire_date=now + timedelta(hours=1))

    clear_expired_sessions.run()

    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]


def test_the_clock_rings_only_tasks_that_exist_and_lets_late_ones_lapse() -> None:
    app.loader.import_default_modules()

    schedule = {entry["task"]: entry for entry in app.conf.beat_schedule.values()}

    daily = TzAwareCrontab(minute="10", hour="4", tz=ZoneInfo("UTC"))
    assert {name: entry["schedule"] for name, entry in schedule.items()} == {
        "celery_task.notification_task.dispatch_events": timedelta(seconds=2),
        "celery_task.notification_task.purge_events": TzAwareCrontab(minute="20", hour="4", tz=ZoneInfo("UTC")),
        "celery_task.order_task.ring_doorbells": timedelta(seconds=1),
        "celery_task.order_task.expire_unpaid_orders": timedelta(seconds=2),
        "celery_task.order_task.reconcile_sales": timedelta(seconds=30),
        "celery_task.home_task.update_banner_list": timedelta(seconds=5),
        "celery_task.monitoring_task.run_checks": timedelta(seconds=10),
        "celery_task.monitoring_task.probe_queues": timedelta(seconds=5),
        "celery_task.host_task.request_heartbeats": timedelta(seconds=15),
        "celery_task.host_task.request_log_rotation": TzAwareCrontab(minute="20", hour="4", tz=ZoneInfo("UTC")),
        "celery_task.user_task.clear_expired_sessions": daily,
        "celery_task.export_task.resume_stalled_exports": timedelta(seconds=30),
        "celery_task.export_task.purge_exports": TzAwareCrontab(minute="40", hour="3", tz=ZoneInfo("UTC")),
    }
    assert set(schedule) <= set(app.tasks)
    assert all(entry["options"]["expire_seconds"] >= 120 for entry in schedule.values())


def test_messages_are_json_and_outlive_the_worker_that_fetched_them() -> None:
    assert (app.conf.task_serializer, app.conf.accept_content) == ("json", ["json"])
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost) == (True, True)
    assert (app.conf.worker_prefetch_multiplier, app.conf.task_ignore_result) == (1, True)
    assert not ON_REDIS or app.conf.broker_transport_options["visibility_timeout"] <= 60


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        (settle_orders, "orders"),
        (ring_doorbells, "orders"),
        (expire_unpaid_orders, "orders"),
        (reconcile_sales, "orders"),
        (update_banner_list, "default"),
        (run_checks, "default"),
        (probe_queues, "default"),
        (mail_alert, "notifications"),
        (request_heartbeats, "default"),
        (request_log_rotation, "default"),
        (clear_expired_sessions, "default"),
        (export_orders, "exports"),
        (resume_stalled_exports, "exports"),
        (purge_exports, "exports"),
        (cancel_order, "orders"),
        (dispatch_events, "notifications"),
        (notify_buyers, "notifications"),
        (publish_events, "notifications"),
        (remind_buyers, "notifications"),
        (purge_events, "notifications"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_orders_have_a_queue_of_their_own(task: object, queue: str) -> None:
    name = task.name  # type: ignore[attr-defined]  # a Celery task

    assert app.amqp.router.route({}, name)["queue"].name == queue
