"""The bench's measurements, each for a second on a real shop: their results, not their speed."""

import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.benchmark import accepting, serving, settling, side, waiting, wrk
from loadtest.benchmark.accounts import Account, AccountError, cookies, read_accounts, renew
from loadtest.benchmark.connection import request
from loadtest.benchmark.generator import GeneratorError, pace
from loadtest.benchmark.journeys import StrayError, journey
from loadtest.benchmark.result import Findings
from loadtest.benchmark.shop import MeasuredShop
from loadtest.benchmark.side import Side
from loadtest.systems import LINE
from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests import servers
from tests.shop.conftest import seed

needs_wrk = pytest.mark.skipif(
    os.environ.get("CI") != "true" and not any((Path(each) / "wrk").exists() for each in os.get_exec_path()),
    reason=wrk.NOT_INSTALLED,
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """A side with the line's shop and three accounts."""
    directory = tmp_path_factory.mktemp("measured")
    shop = MeasuredShop(LINE, seed(), directory / "line", servers.postgres)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side, "ACCOUNTS", 3)
        patch.setattr(settling, "ORDERS_OF_A_SECOND", 2_000)
        try:
            shop.open()
            yield Side("now", {"line": shop}, directory)
        finally:
            shop.close()


def newest_sale(measured: Side) -> int:
    ((sale,),) = measured.line.shop.sql("SELECT max(id) FROM catalog_sale")
    return int(sale)


def check(found: Findings, *rows: str) -> None:
    assert set(found.readings) == set(rows)
    assert {row: found.readings[row].failed for row in rows} == dict.fromkeys(rows, 0)


def test_accounts_keep_every_cookie_that_they_were_given(measured: Side) -> None:
    accounts = measured.accounts()
    assert [account.username for account in accounts] == ["buyer-1", "buyer-2", "buyer-3"]
    assert all({"sessionid", "csrftoken"} <= set(account.cookies) for account in accounts)
    assert read_accounts(measured.accounts_file) == accounts
    assert [account.username for account in measured.accounts()] == ["buyer-1", "buyer-2", "buyer-3"]  # no new ones
    headers = ["a=1; Path=/; HttpOnly", 'b="2:x/y="; Max-Age=60; Path=/', "a=3; Path=/"]
    assert cookies(headers) == {"a": "3", "b": '"2:x/y="'}


def test_an_account_that_is_not_logged_in_gets_no_pass(measured: Side) -> None:
    stranger = replace(measured.accounts()[0], cookies={"csrftoken": "made-up"})
    with pytest.raises(AccountError, match=r"A pass was answered 40[13]"):
        renew(measured.line.shop.port, [stranger])


def test_passes_and_new_sales_are_the_shops_own(measured: Side) -> None:
    one, other = measured.line.new_sales(2, stock=7)
    assert other == one + 1
    assert [Pass.verify(token).buyer for token in measured.line.passes(other, 2, "late")] == ["x:late1", "x:late2"]
    measured.line.join(other, 1_500, "early")
    assert measured.line.purchases(other) == 1_500
    assert (measured.line.purchases(one), measured.line.sold(one)) == (0, 0)
    measured.line.retire([one, other])


@needs_wrk
def test_tickets_that_wait_and_tickets_that_are_decided(measured: Side) -> None:
    waiting_file, decided_file = measured.tickets
    tickets = [
        [Ticket.verify(line.split("\t")[1].removeprefix("/api/tickets/")) for line in file.read_text().splitlines()]
        for file in (decided_file, waiting_file)
    ]
    assert [ticket.place for kind in tickets for ticket in kind] == list(range(1, 2_001))
    check(serving.poll_waiting(measured, 1), "poll_waiting")
    check(serving.poll_decided(measured, 1), "poll_decided")


@needs_wrk
def test_everybody_who_comes_after_a_full_line_is_refused(measured: Side) -> None:
    check(serving.refused(measured, 1), "refused")
    assert measured.line.purchases(newest_sale(measured)) == serving.LIMIT


@needs_wrk
def test_accounts_fetch_passes(measured: Side) -> None:
    check(serving.passes(measured, 1), "pass")


def test_buyers_as_browsers_have_them(measured: Side) -> None:
    check(serving.Mixed()(measured, 1), "mixed")


def test_a_buyers_way_ends_with_three_polls_of_the_ticket_got() -> None:
    way = journey(Account("ann", "secret", {"sessionid": "s", "csrftoken": "c"}), 7)
    asked = [next(way)]
    for status, body in (
        ("200", b"<html>"),
        ("200", b'{"pass": "P"}'),
        ("202", b'{"ticket": "T"}'),
        *[("200", b"")] * 2,
    ):
        asked.append(way.send((status, body)))
    with pytest.raises(StopIteration):
        way.send(("200", b""))
    assert asked == [
        request("GET", "/sales/7/"),
        request("POST", "/api/sales/7/pass", {"Cookie": "sessionid=s; csrftoken=c", "X-CSRFToken": "c"}),
        request("POST", "/api/sales/7/purchase", {"Authorization": "Bearer P"}),
        *[request("GET", "/api/tickets/T")] * 3,
    ]


def test_a_buyer_who_gets_no_pass_goes_no_further() -> None:
    way = journey(Account("ann", "secret", {"csrftoken": "c"}), 7)
    next(way)
    way.send(("200", b"<html>"))
    with pytest.raises(StrayError, match="pass 429"):
        way.send(("429", b"{}"))


@needs_wrk
def test_what_is_accepted_and_what_is_written_in_the_same_seconds(measured: Side) -> None:
    check(accepting.endless(measured, 1), "endless", "endless_orders")


def test_an_open_loop_buys_at_a_constant_rate(measured: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_SECONDS", 0.5)
    found = waiting.paced(measured, 1)
    check(found, "paced")
    assert set(found.figures) == {"paced_most", "paced_p99", "disk_p99"}


def test_a_generator_without_enough_requests_is_no_measurement(measured: Side) -> None:
    sale = measured.line.new_sale(stock=1)
    file = measured.purchase_requests(sale, 10)
    with pytest.raises(GeneratorError, match="The requests ran out"):
        pace(measured.line.shop.port, rate=0, seconds=5, connections=2, requests=file)
    assert measured.line.purchases(sale) == 10


def test_a_line_is_settled_by_one_worker_process_and_by_two(measured: Side) -> None:
    check(settling.settle(measured, 1), "settle", "settle_two")
    assert measured.line.sold(newest_sale(measured)) == 2_000
    assert set(measured.line.shop.processes) == set(LINE.parts)


@needs_wrk
def test_a_long_line_and_many_sales(measured: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SHORT_LINE": 100, "LONG_LINE": 3_000, "MANY_SALES": 5, "PAIRS": 1}.items():
        monkeypatch.setattr(accepting, name, value)
    found = accepting.growth(measured, 1)
    assert set(found.figures) == {
        "bytes_buyer", "short_line_cpu", "long_line_cpu", "long_line_times", "one_sale_cpu", "many_sales_cpu",
        "many_sales_times",
    }  # fmt: skip
    assert min(found.figures.values()) > 0


@needs_wrk
def test_the_log_waits_for_the_disk_again_afterwards(measured: Side) -> None:
    found = accepting.log(measured, 1)
    check(found, "everysec")
    assert set(found.figures) == {"always_cost"}
    assert measured.line.redis.config_get("appendfsync") == {"appendfsync": "always"}


def test_memory_of_connections_that_are_held(measured: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MANY", 20)
    monkeypatch.setattr(waiting, "VERY_MANY", 200)
    assert set(waiting.memory(measured, 1).figures) == {"kib_connection"}


@needs_wrk
def test_connections_that_the_system_does_not_allow_are_left_out(
    measured: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(accepting, "MANY", 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2_000, hard))
    try:
        check(accepting.connections(measured, 1), "accept_1000")
        assert waiting.memory(measured, 1) == Findings()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_purchases_while_pages_are_rendered_and_people_log_in(measured: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOW_RATE", 20)
    monkeypatch.setattr(waiting, "LOG_INS_A_SECOND", 2)
    found = waiting.busy(measured, 1)
    check(found, "busy")
    assert set(found.figures) == {"idle_p99", "busy_p99", "busy_times"}
