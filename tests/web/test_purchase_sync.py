"""The synchronous purchase: the same line and ledger, inside the request."""

from datetime import timedelta
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from devtools.waiting import WAIT_SECONDS_MAX
from orders.expiry import release_units
from orders.ledger import write_orders
from orders.models import Order
from orders.payment import cancel
from orders.reconciliation import sync_sale_to_redis
from orders.sweep import sweep
from seckill.catalog.models import Sale
from seckill.line import commands
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import at_once, entries, in_line, join, reserve_and_die, sell, snapshot_of, sold
from tests.web.conftest import LogIn
from tests.web.responses import bearer, problem, written

pytestmark = pytest.mark.django_db


def address(sale: Sale) -> str:
    return f"/api/sales/{sale.pk}/purchase/sync"


def test_a_buyer_gets_an_order_at_once(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    order = Order.objects.get()
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "number": order.number,
            "sale": sale.pk,
            "product": "Copper kettle",
            "place": 1,
            "price": "19.90",
            "currency": "USD",
            "status": "pending",
            "created_at": written(order.created_at),
            "pay_before": written(order.pay_before),
            "status_changed_at": None,
        },
    )
    assert (order.buyer, sold(sale), snapshot_of(line, sale).stock) == ("ann", 1, 1)


def test_asking_again_gives_the_same_order(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=2)

    answers = [client.post(address(sale), headers=bearer(sale, "ann")) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert (entries(sale), sold(sale), snapshot_of(line, sale).stock) == ([(1, "ann", "pending")], 1, 1)


def test_those_in_front_are_served_first(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=3)
    join(line, sale, "ann", "ben")  # through the gate; not settled yet

    answer = client.post(address(sale), headers=bearer(sale, "cleo"))

    assert (answer.status_code, answer.json()["place"]) == (201, 3)
    assert entries(sale) == [(1, "ann", "pending"), (2, "ben", "pending"), (3, "cleo", "pending")]


def test_a_buyer_whose_place_somebody_else_is_settling_waits_for_the_order(
    client: Client, make_sale: MakeSale, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    claim = reserve_and_die(line, sale, upto=1)  # not dead, only slow
    monkeypatch.setattr(
        "orders.settlement.time.sleep", lambda _: line.run(commands.confirm(claim, write_orders(claim)))
    )

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    assert (answer.status_code, answer.json()["place"]) == (201, 1)
    assert (entries(sale), sold(sale), snapshot_of(line, sale).stock) == ([(1, "ann", "pending")], 1, 1)


@pytest.mark.django_db(transaction=True)
def test_forty_who_buy_at_once_for_thirty_units(make_sale: MakeSale, line: Line, settings: Settings) -> None:
    settings.RESERVATION_LEASE_SECONDS = WAIT_SECONDS_MAX  # no lease expires, and no request times out
    sale = make_sale(stock=30)

    def buy(buyer: str) -> tuple[int, int]:
        answer = Client().post(address(sale), headers=bearer(sale, buyer))
        return answer.status_code, answer.json()["place"]

    answers = at_once([partial(buy, f"fan-{number}") for number in range(1, 41)])

    assert sorted(answers) == [(201, place) for place in range(1, 31)] + [(409, place) for place in range(31, 41)]
    assert [place for place, _, _ in entries(sale)] == list(range(1, 31))
    assert (sold(sale), snapshot_of(line, sale).stock) == (30, 0)


def test_the_place_of_a_dead_worker_is_taken_over_within_the_request(
    client: Client, make_sale: MakeSale, line: Line, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = make_sale(stock=2)
    join(line, sale, "ann")
    reserve_and_die(line, sale, upto=1)
    # The dead worker's lease expires while the request waits.
    monkeypatch.setattr("orders.settlement.time.sleep", lambda _: setattr(settings, "RESERVATION_LEASE_SECONDS", -1))

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    assert (answer.status_code, answer.json()["place"]) == (201, 1)


def test_a_place_that_nobody_can_settle_is_an_honest_503(
    client: Client, make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.RESERVATION_LEASE_SECONDS, settings.REJOIN_SECONDS = 0.1, 7_777
    sale = make_sale(stock=2)
    line.client.flushall()
    sweep(line)  # the line waits for its crowd and settles no buyer
    line.run(commands.rejoin(sale.pk, "ann", 1))

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
    assert (entries(sale), in_line(line, sale)) == ([], ["ann"])


def test_without_a_unit_left_a_buyer_gets_sold_out_and_waits(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    orders = sell(line, sale, "ann")

    document = problem(client.post(address(sale), headers=bearer(sale, "ben")), 409, "sold_out")

    assert document["place"] == 2
    assert (entries(sale), in_line(line, sale)) == ([(1, "ann", "pending")], ["ann", "ben"])
    cancel(orders["ann"])
    release_units(line)
    answer = client.post(address(sale), headers=bearer(sale, "ben"))
    assert (answer.status_code, answer.json()["place"]) == (201, 2)


def test_a_full_line_takes_nobody(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1, line_limit=1)
    join(line, sale, "ann")

    document = problem(client.post(address(sale), headers=bearer(sale, "ben")), 409, "sold_out")

    assert "place" not in document
    assert (entries(sale), in_line(line, sale)) == ([], ["ann"])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        ({"opens_in": 600}, "not_open"),
        ({"status": "paused"}, "paused"),
        ({"status": "closed"}, "closed"),
        ({"opens_in": -3600, "closes_in": -1}, "closed"),
    ],
)
def test_outside_the_window_nobody_buys(
    client: Client, make_sale: MakeSale, line: Line, make: dict[str, object], code: str
) -> None:
    sale = make_sale(**make)

    problem(client.post(address(sale), headers=bearer(sale, "ann")), 403, code)

    assert (entries(sale), in_line(line, sale), snapshot_of(line, sale).stock) == ([], [], 3)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Bearer \u00fc", "Basic YW5uOmFubg==", "Bearer " + "A" * 300],
)
def test_without_a_pass_nobody_buys(client: Client, make_sale: MakeSale, line: Line, authorization: str | None) -> None:
    sale = make_sale()
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = client.post(address(sale), headers=headers)

    problem(answer, 401, "bad_pass")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert (entries(sale), in_line(line, sale)) == ([], [])


def test_a_session_is_no_pass(make_sale: MakeSale, line: Line, log_in: LogIn) -> None:
    sale = make_sale()

    problem(log_in("ann").post(address(sale)), 401, "bad_pass")

    assert (entries(sale), in_line(line, sale)) == ([], [])


def test_a_pass_that_was_tampered_with_is_none(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale()
    good = bearer(sale, "ann")["Authorization"]

    for position in range(len("Bearer "), len(good), 7):
        other = "A" if good[position] != "A" else "B"
        forged = good[:position] + other + good[position + 1 :]
        problem(client.post(address(sale), headers={"Authorization": forged}), 401, "bad_pass")

    assert (entries(sale), in_line(line, sale)) == ([], [])


def test_a_pass_for_another_sale_is_none(client: Client, make_sale: MakeSale, line: Line) -> None:
    kettles, lamps = make_sale(), make_sale()

    document = problem(client.post(address(kettles), headers=bearer(lamps, "ann")), 401, "bad_pass")

    assert document["detail"] == "The pass is for another sale."
    assert (in_line(line, kettles), in_line(line, lamps), Order.objects.count()) == ([], [], 0)


def test_a_pass_that_has_expired_is_none(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale()

    document = problem(client.post(address(sale), headers=bearer(sale, "ann", valid_seconds=-1)), 401, "bad_pass")

    assert document["detail"] == "The pass has expired."
    assert in_line(line, sale) == []


def test_a_sale_redis_does_not_know_is_recovering(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale()
    line.invalidate(sale.pk)

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    problem(answer, 503, "recovering")
    assert answer["Retry-After"] == "2"
    assert (entries(sale), in_line(line, sale)) == ([], [])


def test_a_line_that_waits_for_its_crowd_takes_nobody_new(
    client: Client, make_sale: MakeSale, line: Line, settings: Settings
) -> None:
    settings.REJOIN_SECONDS = 7_777
    sale = make_sale()
    line.client.flushall()
    sweep(line)

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    problem(answer, 503, "recovering")
    assert answer["Retry-After"] == "2"
    assert (entries(sale), in_line(line, sale)) == ([], [])


@pytest.mark.usefixtures("_redis_is_away")
def test_while_redis_is_away_nobody_buys(client: Client, make_sale: MakeSale) -> None:
    sale = make_sale(publish=False)

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
    assert entries(sale) == []


def test_a_buyer_whose_order_was_released_sees_that_order(client: Client, make_sale: MakeSale, line: Line) -> None:
    sale = make_sale(stock=1)
    cancel(sell(line, sale, "ann")["ann"])
    release_units(line)

    answer = client.post(address(sale), headers=bearer(sale, "ann"))

    assert (answer.status_code, answer.json()["status"]) == (201, "cancelled")
    assert (sold(sale), snapshot_of(line, sale).stock) == (0, 1)


def test_who_is_in_line_already_is_served_after_the_closing_too(
    client: Client, make_sale: MakeSale, line: Line
) -> None:
    sale = make_sale(stock=1)
    join(line, sale, "ann")
    Sale.objects.filter(pk=sale.pk).update(closes_at=timezone.now() - timedelta(seconds=1))
    sync_sale_to_redis(line, Sale.objects.get(pk=sale.pk))

    assert client.post(address(sale), headers=bearer(sale, "ann")).status_code == 201
    problem(client.post(address(sale), headers=bearer(sale, "ben")), 403, "closed")
