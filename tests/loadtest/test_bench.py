"""The bench: the arithmetic of its results, and its rounds."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from devtools.embedded.shop import WORKER
from loadtest import bench
from loadtest.benchmark import wrk
from loadtest.benchmark.costs import Costs, Meters, costs, cpu_seconds
from loadtest.benchmark.report import Facts, Result, cost_rows, number, ratio_rows, rows, show
from loadtest.benchmark.result import FIGURES, ROWS, Findings, Ratio, Reading, compare, derive, figures, summarise
from loadtest.benchmark.revision import NOW
from loadtest.benchmark.round import MEASUREMENTS
from loadtest.benchmark.settling import orders_per_second, with_processes
from loadtest.benchmark.side import Side, check_count

NO_COSTS = Costs({}, {}, 0.0, 0.0, 0.0)


ORDERS = ("settle", "settle_two", "settle_sqlite", "endless_orders", "naive_orders")


def one_round(constant: float, accept: float, naive: float, *, failed: int = 0, **figures: float) -> Findings:
    speeds = {**dict.fromkeys(ROWS, 1.0), "constant": constant, "accept": accept, "naive_accept": naive}
    spent = Costs({"web": 1_000_000 / accept, "valkey": 2.0}, {"get": 0.5}, 50.0, 10.0, 20.0)
    readings = {
        name: Reading(speed, None if name in ORDERS else 5.0, failed if name == "accept" else 0, spent)
        for name, speed in speeds.items()
    }
    return Findings(readings, figures)


def test_medians_and_ratios_over_the_rounds() -> None:
    rounds = [one_round(10_000, 5_000, 500), one_round(5_000, 2_000, 100), one_round(20_000, 4_000, 1_000)]

    summary = summarise(rounds)["accept"]

    assert (summary.per_second, summary.slowest, summary.fastest) == (4_000, 2_000, 5_000)
    assert summary.of_ceiling == 0.4  # 0.5, 0.4, 0.2; the ratio of the medians would be the same
    assert summary.of_naive == 10  # 10, 20, 4: the ratio of the medians would be 8
    assert summary.p99_ms == 5.0
    assert summary.costs == Costs({"web": 250.0, "valkey": 2.0}, {"get": 0.5}, 50.0, 10.0, 20.0)
    assert summary.cpu_us == 252.0


def test_only_like_is_compared_with_the_naive_system() -> None:
    summaries = summarise([one_round(10_000, 5_000, 500)] * 3)
    assert summaries["poll_waiting"].of_naive is None
    assert summaries["settle"].of_naive == 1.0
    assert {name: row.against for name, row in ROWS.items() if row.against} == {
        "accept": "naive_accept",
        "accept_512": "naive_accept",
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
    assert shown["line: orders written, one process"] == ["1", "1 to 1", "-", "1", "-", "202"]


def test_costs_are_told_by_process_and_in_redis() -> None:
    told = {line[0]: line[1] for line in cost_rows(summarise([one_round(10_000, 5_000, 500)] * 3))}
    assert told == {
        "CPU µs, web": "200",
        "CPU µs, worker": "-",
        "CPU µs, background": "-",
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
        process.stdout.readline()  # one process has ended, one is still there
        assert 0.7 <= cpu_seconds(process.pid) < 1.4  # without either it would be half


def test_the_shop_has_to_have_what_wrk_was_told() -> None:
    answers = wrk.Answers(1_000, 500.0, 1.0, 2.0, 0, 0)
    for purchases in (1_000, 1_100):
        check_count(answers, purchases)
    for purchases in (999, 1_101):
        with pytest.raises(wrk.WrkError, match="1,000 purchases were answered, and the shop has"):
            check_count(answers, purchases)
    check_count(wrk.Answers(1_000, 500.0, 1.0, 2.0, 1, 0), 999)  # failures are reported with their row


def test_orders_per_second_leave_the_first_transaction_out() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    commits = [(str(start + timedelta(seconds=second / 2)), 500) for second in range(5)]
    assert orders_per_second(commits) == 1_000.0
    assert orders_per_second(commits[:1]) == 0.0
    assert orders_per_second([]) == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(24_891.56, "24,892"), (100.4, "100"), (23.61, "23.6"), (0.5, "0.5"), (0.0512, "0.0512"), (0.001, "0")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_ratio_is_the_median_of_the_rounds_and_has_a_spread() -> None:
    baseline = [
        one_round(1, 1_000, 1, busy_p99=20.0),
        one_round(1, 2_000, 1, busy_p99=10.0),
        one_round(1, 4_000, 1, busy_p99=40.0),
    ]
    now = [
        one_round(1, 5_000, 1, busy_p99=10.0),
        one_round(1, 6_000, 1, busy_p99=20.0),
        one_round(1, 16_000, 1, busy_p99=10.0),
    ]

    ratios = compare(baseline, now)

    assert ratios["accept"] == Ratio(baseline=2_000, now=6_000, times=4.0, lowest=3.0, highest=5.0)
    assert ratios["busy_p99"] == Ratio(baseline=20.0, now=10.0, times=0.5, lowest=0.25, highest=2.0)
    assert set(ratios) == {*ROWS, "busy_p99"}


def test_only_rounds_that_have_both_are_compared() -> None:
    baseline = [one_round(1, 1_000, 1), Findings(), one_round(1, 4_000, 1)]
    now = [Findings(), one_round(1, 6_000, 1), one_round(1, 16_000, 1, bytes_buyer=100.0)]

    ratios = compare(baseline, now)

    assert ratios["accept"] == Ratio(baseline=4_000, now=16_000, times=4.0, lowest=4.0, highest=4.0)
    assert "bytes_buyer" not in ratios
    assert figures(now) == {"bytes_buyer": 100.0}


def test_what_can_not_be_divided_has_no_ratio() -> None:
    baseline = [Findings(figures={"always_cost": cost}) for cost in (0.0, -4.0, -1.0)]
    now = [Findings(figures={"always_cost": cost}) for cost in (5.0, 6.0, 7.0)]
    ratios = compare(baseline, now)
    assert ratios == {"always_cost": Ratio(baseline=-1.0, now=6.0, times=None, lowest=None, highest=None)}
    assert ratio_rows(ratios) == [[FIGURES["always_cost"].title, "-1 %", "6 %", "-", "-"]]


def test_rows_that_belong_together_are_compared_within_a_round() -> None:
    found = one_round(1, 2_000, 1)
    found.readings["accept_10000"] = Reading(1_500, 5.0, 0, NO_COSTS)
    found.readings["settle_two"] = Reading(1.7, None, 0, NO_COSTS)
    derive(found)
    assert found.figures == {"accept_10000_of_100": 75.0, "two_of_one": 1.7}
    alone = Findings({"accept_10000": found.readings["accept_10000"]})
    derive(alone)
    assert alone.figures == {}


def test_a_worker_gets_as_many_processes_as_are_asked_for() -> None:
    assert "--concurrency 1 " in " ".join(with_processes(WORKER, 1))
    assert with_processes(("--concurrency", "2", "--loglevel", "INFO"), 7) == [
        "--concurrency",
        "7",
        "--loglevel",
        "INFO",
    ]


def test_the_result_can_be_read_by_people_and_programs(tmp_path: Path) -> None:
    rounds = [one_round(10_000, 5_000, 500, kib_connection=25.0)] * 3
    facts = Facts("2026-01-01T00:00:00+00:00", "make bench", "2 cores", "Python 3.11")
    result = Result(rounds, facts)
    kept = json.loads(json.dumps(result.document()))
    assert kept["command"] == "make bench"
    assert [one["readings"]["accept"]["per_second"] for one in kept["rounds"]] == [5_000, 5_000, 5_000]
    assert kept["rows"]["accept"]["of_naive"] == 10
    assert kept["figures"]["kib_connection"] == {
        "title": FIGURES["kib_connection"].title,
        "unit": "KiB",
        "value": 25.0,
    }
    assert "ratios" not in kept
    lines = result.markdown().splitlines()
    assert lines[:2] == [
        "|  | per second | slowest to fastest | of the ceiling | times naive | p99 | CPU µs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    assert "| line: purchase accepted | 5,000 | 5,000 to 5,000 | 50% | 10 | 5 ms | 202 |" in lines
    assert "| memory of the web processes, each connection | 25 KiB |" in lines
    with (tmp_path / "shown").open("w", encoding="utf-8") as file:
        show(Console(file=file, width=200), result)
    shown = (tmp_path / "shown").read_text(encoding="utf-8")
    assert "line: purchase accepted" in shown
    assert "Redis commands of one purchase, naive: get 0.5" in shown


def test_a_baseline_stands_beside_today() -> None:
    facts = Facts("2026-01-01T00:00:00+00:00", "make bench BASELINE=v1", "2 cores", "Python 3.11")
    baseline = [one_round(1, accept, 1, busy_p99=30.0, failed=1) for accept in (1_000, 2_000, 2_500)]
    now = [one_round(1, accept, 1, busy_p99=15.0, kib_connection=25.0) for accept in (5_000, 6_000, 10_000)]
    result = Result(now, facts, baseline, "v1")
    assert result.failed == 3
    kept = json.loads(json.dumps(result.document()))
    assert kept["baseline"]["revision"] == "v1"
    assert kept["baseline"]["rows"]["accept"]["per_second"] == 2_000
    assert kept["ratios"]["accept"] == {"baseline": 2_000, "now": 6_000, "times": 4.0, "lowest": 3.0, "highest": 5.0}
    lines = result.markdown().splitlines()
    assert "|  | v1 | now | times | from round to round |" in lines
    assert "| line: purchase accepted | 2,000 /s | 6,000 /s | 4.00 | 3.00 to 5.00 |" in lines
    assert "| purchases at a low rate: p99, Django busy | 30 ms | 15 ms | 0.50 | 0.50 to 0.50 |" in lines
    assert "| memory of the web processes, each connection | 25 KiB |" in lines


def measured_sides(labels: tuple[str, ...], tmp_path: Path) -> list[Side]:
    return [Side(label, {"line": Mock(), "constant": Mock()}, tmp_path) for label in labels]


def test_sides_take_turns_and_the_warm_up_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: list[tuple[str, str, int]] = []

    def measure(row: str, side: Side, seconds: int) -> Findings:
        taken.append((row, side.label, seconds))
        return Findings({row: Reading(len(taken), 1.0, 0, NO_COSTS)})

    for row in ("accept", "pass"):
        measurement = replace(MEASUREMENTS[row], measure=partial(measure, row))
        monkeypatch.setitem(bench.MEASUREMENTS, row, measurement)
    monkeypatch.setitem(
        bench.MEASUREMENTS,
        "growth",
        replace(MEASUREMENTS["growth"], measure=lambda *_: Findings(figures={"busy_p99": 7.0})),
    )
    choice = bench.choose(
        {"ROWS": "accept,pass,growth", "ROUNDS": "2", "SECONDS": "7", "SECKILL_VAR_DIR": str(tmp_path)}
    )

    found = bench.measure(Console(quiet=True), choice, measured_sides(("v1", "now"), tmp_path))

    first, second = ["v1", "now"], ["now", "v1"]
    assert taken == [
        *(("accept", label, 1) for label in second), *(("pass", label, 1) for label in second),
        *(("accept", label, 7) for label in first), *(("pass", label, 7) for label in first),
        *(("accept", label, 7) for label in second), *(("pass", label, 7) for label in second),
    ]  # fmt: skip
    assert [one.readings["accept"].per_second for one in found["v1"]] == [5, 10]
    assert [one.readings["accept"].per_second for one in found["now"]] == [6, 9]
    assert [one.figures for one in found["now"]] == [{}, {"busy_p99": 7.0}]


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (17, 1)])
def test_a_failed_request_is_told(
    failed: int, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = [one_round(10_000, 5_000, 500), one_round(10_000, 5_000, 500, failed=failed)]
    shop = Mock(**{"ledger_version.return_value": "SQLite 3"})
    monkeypatch.setattr(bench, "open_stage", lambda *_: nullcontext({"now": {"line": shop}}))
    monkeypatch.setattr(bench, "measure", lambda *_: {"now": rounds})

    choice = bench.choose({"SECKILL_VAR_DIR": str(tmp_path), "ROWS": "accept"})
    assert bench.bench(Console(quiet=True), choice, [NOW]) == status

    kept = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert len(kept["rounds"]) == 2
    assert (kept["rows"]["accept"]["per_second"], kept["rows"]["accept"]["failed"]) == (5_000, failed)
    assert ("FAILED" in (tmp_path / "bench.md").read_text(encoding="utf-8")) == bool(failed)
    assert capsys.readouterr().err == (
        "17 requests failed: the rows that say so are no measurements.\n" if failed else ""
    )
