"""Passes: the right to purchase in one sale, for logged-in users."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from seckill.accounts.login_commands import PassResult, issue_passes
from seckill.accounts.logins import Login
from seckill.accounts.models import User
from seckill.catalog.models import Sale
from seckill.line.line import Line
from seckill.line.passes import Pass
from seckill.rate import Rate
from seckill.timestamps import format_iso8601, to_epoch_ms
from tests.conftest import MakeSale
from tests.web.conftest import LogIn
from tests.web.responses import problem

pytestmark = pytest.mark.django_db

AGES = 4_000_000_000  # seconds: a window that ends in 2096


def test_a_pass_says_who_may_buy_what_and_when(make_sale: MakeSale, log_in: LogIn) -> None:
    sale = make_sale()

    answer = log_in("ann").post(f"/api/sales/{sale.pk}/pass")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    document = answer.json()
    assert list(document) == ["pass", "not_before", "expires_at"]
    assert document["not_before"] == format_iso8601(to_epoch_ms(sale.opens_at))
    assert document["expires_at"] == format_iso8601(to_epoch_ms(sale.closes_at + timedelta(days=1)))
    assert Pass.verify(document["pass"]) == Pass(
        sale_id=sale.pk,
        buyer=User.objects.get().buyer_id,
        not_before_ms=to_epoch_ms(sale.opens_at),
        expires_ms=to_epoch_ms(sale.closes_at + timedelta(days=1)),
    )


def test_the_same_buyer_gets_the_same_pass_again_and_another_one_another(make_sale: MakeSale, log_in: LogIn) -> None:
    address = f"/api/sales/{make_sale().pk}/pass"
    ann, ben = log_in("ann"), log_in("ben")

    passes = [browser.post(address).json()["pass"] for browser in (ann, ann, ben)]

    assert passes[0] == passes[1] != passes[2]


def test_the_pass_buys(make_sale: MakeSale, log_in: LogIn) -> None:
    sale = make_sale(stock=1)
    ann = log_in("ann")
    token = ann.post(f"/api/sales/{sale.pk}/pass").json()["pass"]

    answer = Client().post(f"/api/sales/{sale.pk}/purchase/sync", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 201
    assert [order["number"] for order in ann.get("/api/orders/").json()] == [answer.json()["number"]]


def test_a_pass_can_be_had_before_the_opening(make_sale: MakeSale, log_in: LogIn) -> None:
    sale = make_sale(opens_in=600, closes_in=1200)

    document = log_in("ann").post(f"/api/sales/{sale.pk}/pass").json()

    assert document["not_before"] == format_iso8601(to_epoch_ms(sale.opens_at))
    assert sale.opens_at > timezone.now()


@pytest.mark.usefixtures("_redis_is_away")
def test_a_pass_needs_no_line(make_sale: MakeSale, log_in: LogIn) -> None:
    sale = make_sale(publish=False)

    assert log_in("ann").post(f"/api/sales/{sale.pk}/pass").status_code == 200


def test_who_is_not_logged_in_gets_no_pass(client: Client, make_sale: MakeSale) -> None:
    answer = client.post(f"/api/sales/{make_sale().pk}/pass")

    assert "pass" not in problem(answer, 401, "not_logged_in")
    assert answer["WWW-Authenticate"] == "Session"


@pytest.mark.parametrize("number", ["815", "99999999999999999999999"])
def test_there_is_no_pass_for_a_sale_that_does_not_exist(log_in: LogIn, number: str) -> None:
    problem(log_in("ann").post(f"/api/sales/{number}/pass"), 404, "not_found")


@pytest.mark.parametrize(
    "change", [{"status": "closed"}, {"closes_at": timezone.now() - timedelta(seconds=1)}], ids=["by hand", "by clock"]
)
def test_there_is_no_pass_for_a_sale_that_is_over(
    make_sale: MakeSale, log_in: LogIn, change: dict[str, object]
) -> None:
    sale = make_sale(opens_in=-3600)
    Sale.objects.filter(pk=sale.pk).update(**change)

    assert "pass" not in problem(log_in("ann").post(f"/api/sales/{sale.pk}/pass"), 403, "closed")


def test_a_paused_sale_still_gives_passes(make_sale: MakeSale, log_in: LogIn) -> None:
    assert log_in("ann").post(f"/api/sales/{make_sale(status='paused').pk}/pass").status_code == 200


def test_a_buyer_can_not_ask_without_end(make_sale: MakeSale, log_in: LogIn, line: Line, settings: Settings) -> None:
    settings.PASS_RATE = Rate(limit=2, window_seconds=AGES)
    address = f"/api/sales/{make_sale().pk}/pass"
    ann, ben = log_in("ann"), log_in("ben")
    assert [ann.post(address).status_code for _ in range(2)] == [200, 200]

    before, _microseconds = line.client.time()
    answer = ann.post(address)

    assert "pass" not in problem(answer, 429, "throttled")
    after, _microseconds = line.client.time()
    assert AGES - after <= int(answer["Retry-After"]) <= AGES - before  # until the window ends, by Redis' clock
    assert ben.post(address).status_code == 200  # each buyer is counted separately, also behind one IP address


def test_a_refusal_and_a_sale_that_is_not_there_are_not_counted(
    make_sale: MakeSale, log_in: LogIn, settings: Settings
) -> None:
    settings.PASS_RATE = Rate(limit=1, window_seconds=AGES)
    over, running = make_sale(opens_in=-60, closes_in=-1), make_sale()
    ann = log_in("ann")
    for _ in range(2):
        problem(ann.post(f"/api/sales/{over.pk}/pass"), 403, "closed")
        problem(ann.post("/api/sales/815/pass"), 404, "not_found")

    assert ann.post(f"/api/sales/{running.pk}/pass").status_code == 200


def test_passes_of_the_gate_and_of_django_are_counted_together(
    make_sale: MakeSale, log_in: LogIn, line: Line, settings: Settings
) -> None:
    settings.PASS_RATE = Rate(limit=3, window_seconds=AGES)
    address = f"/api/sales/{make_sale().pk}/pass"
    ann = log_in("ann")
    login = Login.verify(ann.cookies["buyer"].value)

    assert line.run(issue_passes([login, login], settings.PASS_RATE)).results == [PassResult.ISSUED] * 2
    assert ann.post(address).status_code == 200
    assert line.run(issue_passes([login], settings.PASS_RATE)).results == [PassResult.TOO_MANY]
    problem(ann.post(address), 429, "throttled")


def test_a_pass_is_posted_for_not_read(make_sale: MakeSale, log_in: LogIn) -> None:
    answer = log_in("ann").get(f"/api/sales/{make_sale().pk}/pass")

    problem(answer, 405, "method_not_allowed")
    assert "POST" in answer["Allow"]


def test_asking_for_a_pass_joins_no_line(make_sale: MakeSale, log_in: LogIn, line: Line) -> None:
    sale = make_sale()

    log_in("ann").post(f"/api/sales/{sale.pk}/pass")

    assert line.length(sale.pk) == 0
