"""The bench: how it reads wrk, what it makes of the numbers, and whether its audit of a million finds what is wrong."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from loadtest import bench
from loadtest.benchmark import million, wrk
from loadtest.benchmark.costs import Costs, Meters, costs, cpu_seconds
from loadtest.benchmark.million import Course, audit
from loadtest.benchmark.report import Facts, cost_rows, document, markdown, number, rows, show
from loadtest.benchmark.result import ROWS, Reading, summarise
from loadtest.benchmark.round import check_count, orders_per_second
from loadtest.benchmark.stage import MeasuredShop, write_passes
from loadtest.systems import LINE
from seckill.embedded.shop import PROJECT
from seckill.line.keys import sale_keys
from seckill.line.passes import Pass
from tests import servers
from tests.shop.conftest import seed

PRINTED = """Running 3s test @ http://127.0.0.1:43737/api/sales/4/purchase
  2 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   712.99ms  421.46ms   2.81s    71.35%
    Req/Sec    56.24     33.83   172.00     70.69%
  Latency Distribution
     50%  {p50}
     75%  908.96ms
     90%    1.23s
     99%  {p99}
  50050 requests in 3.09s, 17.18MB read
{more}Requests/sec:  24891.56
Transfer/sec:     61.92KB
"""


def printed(*, p50: str = "3.35ms", p99: str = "23.61ms", more: str = "") -> str:
    return PRINTED.format(p50=p50, p99=p99, more=more)


# --- wrk --------------------------------------------------------------------------------------------------------


def test_wrk_says_how_many_how_fast_and_how_long() -> None:
    assert wrk.parse(printed()) == wrk.Answers(50_050, 24_891.56, 3.35, 23.61, 0)


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("850.00us", 0.85), ("3.35ms", 3.35), ("2.26s ", 2260.0), ("1.50m ", 90_000.0)]
)
def test_latency_comes_in_four_units(text: str, milliseconds: float) -> None:
    assert wrk.parse(printed(p99=text)).p99_ms == pytest.approx(milliseconds)


def test_answers_of_400_and_more_have_failed() -> None:
    assert wrk.parse(printed(more="  Non-2xx or 3xx responses: 17\n")).failed == 17


def test_broken_connections_and_timeouts_have_failed_too() -> None:
    more = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n"
    assert wrk.parse(printed(more=more)).failed == 54_321


def test_no_number_is_made_up_where_wrk_printed_none() -> None:
    with pytest.raises(wrk.WrkError, match="no latency at 99%"):
        wrk.parse(printed(p99="-nan"))
    with pytest.raises(wrk.WrkError, match="Requests/sec"):
        wrk.parse(printed().replace("Requests/sec", "Requests"))


def test_passes_that_ran_out_are_no_measurement() -> None:
    with pytest.raises(wrk.WrkError, match="passes ran out"):
        wrk.parse(f"{printed()}The passes ran out.\n")


def test_without_wrk_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench.main() == 2
    assert capsys.readouterr().err == (
        "The load generator wrk is not installed: apt install wrk, or brew install wrk,"
        " or build it from https://github.com/wg/wrk.\n"
    )


# --- choices ----------------------------------------------------------------------------------------------------


def test_three_rounds_of_three_seconds_unless_told_otherwise() -> None:
    choice = bench.choose({})
    assert (choice.rounds, choice.seconds, choice.ledger, choice.million, choice.count) == (
        3,
        3,
        "postgres",
        False,
        1_000_000,
    )
    assert choice.var == PROJECT / "var"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ROUNDS", "2", "ROUNDS has to be a whole number of 3 or more, not '2'."),
        ("ROUNDS", "three", "ROUNDS has to be a whole number of 3 or more, not 'three'."),
        ("SECONDS", "0", "SECONDS has to be a whole number of 1 or more, not '0'."),
        ("COUNT", "-5", "COUNT has to be a whole number of 1 or more, not '-5'."),
        ("LEDGER", "oracle", "LEDGER has to be postgres or sqlite, not 'oracle'."),
    ],
)
def test_what_is_not_offered_is_refused(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert bench.main() == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_the_command_is_told_with_its_choices() -> None:
    environment = {"PATH": "/bin", "COUNT": "2000", "MILLION": "1"}
    assert bench.command(environment) == "make bench MILLION=1 COUNT=2000"
    assert bench.command({}) == "make bench"


# --- arithmetic -------------------------------------------------------------------------------------------------

NO_COSTS = Costs({}, {}, 0.0, 0.0, 0.0)
ORDERS = ("settle", "naive_orders")


def one_round(constant: float, accept: float, naive: float, *, failed: int = 0) -> dict[str, Reading]:
    speeds = {**dict.fromkeys(ROWS, 1.0), "constant": constant, "accept": accept, "naive_accept": naive}
    spent = Costs({"web": 1_000_000 / accept, "valkey": 2.0}, {"get": 0.5}, 50.0, 10.0, 20.0)
    return {
        name: Reading(speed, None if name in ORDERS else 5.0, failed if name == "accept" else 0, spent)
        for name, speed in speeds.items()
    }


def test_medians_and_ratios_over_the_rounds() -> None:
    rounds = [one_round(10_000, 5_000, 500), one_round(5_000, 2_000, 100), one_round(20_000, 4_000, 1_000)]

    summary = summarise(rounds)["accept"]

    assert (summary.per_second, summary.slowest, summary.fastest) == (4_000, 2_000, 5_000)
    assert summary.of_ceiling == 0.4  # of 0.5, 0.4, 0.2; the medians' ratio would be the same, each round's is not
    assert summary.of_naive == 10  # of 10, 20, 4; the ratio of the medians would be 8
    assert summary.p99_ms == 5.0
    assert summary.costs == Costs({"web": 250.0, "valkey": 2.0}, {"get": 0.5}, 50.0, 10.0, 20.0)
    assert summary.cpu_us == 252.0


def test_only_like_is_compared_with_the_naive_system() -> None:
    summaries = summarise([one_round(10_000, 5_000, 500)] * 3)
    assert summaries["poll_waiting"].of_naive is None
    assert summaries["settle"].of_naive == 1.0
    assert {name: row.against for name, row in ROWS.items() if row.against} == {
        "accept": "naive_accept",
        "sync": "naive_accept",
        "naive_accept": "naive_accept",
        "settle": "naive_orders",
        "naive_orders": "naive_orders",
    }


def test_a_row_with_failures_shows_no_number() -> None:
    summaries = summarise([one_round(10_000, 5_000, 500, failed=failed) for failed in (0, 1_200, 34)])
    shown = {line[0]: list(line[1:]) for line in rows(summaries)}
    assert shown["line: purchase accepted"] == ["1,234 FAILED", "-", "-", "-", "-", "-"]
    assert shown["a constant reply: the ceiling"] == ["10,000", "10,000 to 10,000", "100%", "-", "5 ms", "202"]
    assert shown["line: orders written"] == ["1", "1 to 1", "-", "1", "-", "202"]


def test_costs_are_told_by_process_and_in_redis() -> None:
    told = {line[0]: line[1] for line in cost_rows(summarise([one_round(10_000, 5_000, 500)] * 3))}
    assert told == {
        "CPU µs, web": "200",
        "CPU µs, worker": "-",
        "CPU µs, chores": "-",
        "CPU µs, beat": "-",
        "CPU µs, valkey": "2",
        "CPU µs, postgres": "-",
        "CPU µs, all": "202",
        "Redis commands": "0.5",
        "bytes to Redis": "10",
        "bytes from Redis": "20",
        "bytes kept in Redis": "50",
    }


def test_what_one_purchase_costs() -> None:
    before = Meters({"web": 1.0, "valkey": 0.5}, {"get": 100, "info": 7}, 1_000, 10_000, 20_000)
    after = Meters({"web": 3.0, "valkey": 0.6}, {"get": 500, "info": 7, "hset": 20}, 201_000, 30_000, 22_000)
    spent = costs(before, after, 200)
    assert spent.cpu_us == pytest.approx({"web": 10_000.0, "valkey": 500.0})
    assert spent.redis_calls == {"get": 2.0, "hset": 0.1}
    assert (spent.redis_kept, spent.redis_received, spent.redis_sent) == (1_000.0, 100.0, 10.0)
    assert costs(before, after, 0) == NO_COSTS


def test_cpu_time_of_children_counts_while_they_run_and_when_they_have_ended() -> None:
    burn = "import sys, time\nwhile time.process_time() < 0.4: pass\nprint(flush=True)"
    stay = f"{burn}\nsys.stdin.read()"
    parent = "import subprocess, sys\nfor each in sys.argv[1:]: subprocess.run([sys.executable, '-c', each])"
    with subprocess.Popen(
        [sys.executable, "-c", parent, burn, stay], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()  # one has ended, one is still there
        assert 0.7 <= cpu_seconds(process.pid) < 1.4  # without either it would be half


def test_the_shop_has_to_have_what_wrk_was_told() -> None:
    answers = wrk.Answers(1_000, 500.0, 1.0, 2.0, 0)
    for purchases in (1_000, 1_100):
        check_count(answers, purchases)
    for purchases in (999, 1_101):
        with pytest.raises(wrk.WrkError, match="1,000 purchases were answered, and the shop has"):
            check_count(answers, purchases)
    check_count(wrk.Answers(1_000, 500.0, 1.0, 2.0, 1), 999)  # failures are told by their row


def test_orders_per_second_leave_the_first_transaction_out() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    commits = [(start + timedelta(seconds=second / 2), 500) for second in range(5)]
    assert orders_per_second(commits) == 1_000.0
    assert orders_per_second(commits[:1]) == 0.0
    assert orders_per_second([]) == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(24_891.56, "24,892"), (100.4, "100"), (23.61, "23.6"), (0.5, "0.5"), (0.0512, "0.0512"), (0.001, "0")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_the_result_can_be_read_by_people_and_programs(tmp_path: Path) -> None:
    rounds = [one_round(10_000, 5_000, 500)] * 3
    summaries = summarise(rounds)
    facts = Facts("2026-01-01T00:00:00+00:00", "make bench", "2 cores", "Python 3.11")
    kept = json.loads(json.dumps(document(rounds, summaries, facts)))
    assert kept["command"] == "make bench"
    assert [one["accept"]["per_second"] for one in kept["rounds"]] == [5_000, 5_000, 5_000]
    assert kept["rows"]["accept"]["of_naive"] == 10
    lines = markdown(summaries, facts).splitlines()
    assert lines[:2] == [
        "|  | per second | slowest to fastest | of the ceiling | times naive | p99 | CPU µs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    assert "| line: purchase accepted | 5,000 | 5,000 to 5,000 | 50% | 10 | 5 ms | 202 |" in lines
    with (tmp_path / "shown").open("w", encoding="utf-8") as file:
        show(Console(file=file, width=200), summaries, facts)
    shown = (tmp_path / "shown").read_text(encoding="utf-8")
    assert "line: purchase accepted" in shown
    assert "Redis commands of one purchase, naive: get 0.5" in shown


class FakeRound:
    """Gives the readings it is told to: one dictionary for each round."""

    def __init__(self, rounds: list[dict[str, Reading]]) -> None:
        self.rounds = iter(rounds)
        self.asked: list[tuple[int, int]] = []

    def make_tickets(self) -> None:
        """Nobody polls here."""

    def measure(self, *, seconds: int, orders: int) -> Iterator[tuple[str, Reading]]:
        self.asked.append((seconds, orders))
        yield from next(self.rounds).items()


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (17, 1)])
def test_the_warm_up_does_not_count_and_a_failed_request_does(
    failed: int, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = one_round(10_000, 5_000, 500)
    fake = FakeRound([one_round(1, 1, 1, failed=99), measured, measured, one_round(10_000, 5_000, 500, failed=failed)])
    shop = Mock(**{"ledger_version.return_value": "SQLite 3"})
    monkeypatch.setattr(bench, "open_stage", lambda *_: nullcontext({"line": shop}))
    monkeypatch.setattr(bench, "Round", lambda *_: fake)

    assert bench.bench(Console(quiet=True), bench.choose({"VAR_DIR": str(tmp_path), "SECONDS": "7"})) == status

    assert fake.asked == [(1, 3_000), (7, 30_000), (7, 30_000), (7, 30_000)]
    kept = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert len(kept["rounds"]) == 3
    assert (kept["rows"]["accept"]["per_second"], kept["rows"]["accept"]["failed"]) == (5_000, failed)
    assert ("FAILED" in (tmp_path / "bench.md").read_text(encoding="utf-8")) == bool(failed)
    assert capsys.readouterr().err == (
        "17 requests failed: the rows that say so are no measurements.\n" if failed else ""
    )


# --- passes -----------------------------------------------------------------------------------------------------


def test_passes_are_shared_out_and_each_is_another_buyers(tmp_path: Path) -> None:
    write_passes(tmp_path / "passes", sale=7, count=5, shares=2)
    shares = [[Pass.verify(line) for line in (tmp_path / f"passes.{share}").read_text().split()] for share in (0, 1)]
    assert [[one.buyer for one in share] for share in shares] == [["b1", "b3", "b5"], ["b2", "b4"]]
    now_ms = time.time() * 1000
    assert all(one.sale_id == 7 and now_ms + 3_600_000 < one.expires_ms for share in shares for one in share)


# --- a million --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredShop]:
    """The shop of the line, open."""
    measured = MeasuredShop(LINE, seed(), tmp_path_factory.mktemp("bench") / "line", servers.postgres)
    try:
        measured.open()
        yield measured
    finally:
        measured.close()


def test_two_thousand_of_a_million(shop: MeasuredShop, tmp_path: Path) -> None:
    course = million.run(Console(quiet=True), shop, tmp_path / "passes", 2_000)

    assert course.holds, [check for check in course.audit if not check.holds]
    assert course.statuses == {"202": 2_000}
    assert 0 < course.accepted_seconds < course.committed_seconds + million.LOOK_SECONDS
    postgres = set() if servers.postgres is None else {"postgres"}
    assert set(course.memory_peak) == {"web", "worker", "chores", "beat", "valkey"} | postgres
    assert course.valkey_memory > 1_000_000
    assert course.database_size > 1_000_000
    told = dict(million.lines(course))
    assert told["audit: orders"] == "2000 ✓"


def test_the_audit_finds_what_is_wrong(shop: MeasuredShop, tmp_path: Path) -> None:
    course = million.run(Console(quiet=True), shop, tmp_path / "passes", 200)
    assert course.holds
    for part in ("beat", "worker"):  # nobody repairs what is broken here
        shop.shop.end(part, signal.SIGKILL)
    ((sale,),) = shop.shop.sql("SELECT max(id) FROM seckill_sale")
    keys = sale_keys(sale)
    holes = "places with an order, first to last, without a hole"

    assert violated(shop, sale, Course(200, statuses={"202": 199, "503": 1})) == ["answers: all 202"]
    for table, breaking, mending, found in (
        ("orders_order", "place = 201", "place = 100", holes),
        ("seckill_sale", "stock = 199, sold = 199", "stock = 200, sold = 200", "oversold"),
        ("seckill_sale", "sold = 199", "sold = 200", "the sale's own count of sold units"),
    ):
        rows = f"sale_id = {sale} AND place IN (100, 201)" if table == "orders_order" else f"id = {sale}"
        shop.shop.sql(f"UPDATE {table} SET {breaking} WHERE {rows}")  # noqa: S608 (ours)
        assert violated(shop, sale, course) == [found]
        shop.shop.sql(f"UPDATE {table} SET {mending} WHERE {rows}")  # noqa: S608 (ours)
        assert violated(shop, sale, course) == []

    shop.redis.incr(keys.stock)
    assert violated(shop, sale, course) == ["units left in Redis"]
    shop.redis.hset(keys.pending, "claim", "1 1 1 1")
    assert violated(shop, sale, course) == ["claims in Redis", "units left in Redis"]
    shop.redis.hdel(keys.outcomes, "b7")
    shop.redis.rpush(keys.line, "b201")
    wrong_in_redis = ["places in line", "outcomes in Redis", "claims in Redis", "units left in Redis"]
    assert violated(shop, sale, course) == wrong_in_redis
    shop.shop.sql(f"DELETE FROM orders_order WHERE sale_id = {sale} AND place = 200")  # noqa: S608 (ours)
    assert violated(shop, sale, course) == ["orders", "buyers with an order", holes, *wrong_in_redis]


def violated(shop: MeasuredShop, sale: int, course: Course) -> list[str]:
    return [check.name for check in audit(shop, sale, course) if not check.holds]
