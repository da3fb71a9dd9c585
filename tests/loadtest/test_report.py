"""The report of a load test: latencies, table and lower bounds."""

from pathlib import Path

import pytest

from loadtest.comparison.charts import duration, rate
from loadtest.comparison.report import table, write_report
from loadtest.comparison.result import Comparison, Latency
from tests.loadtest.comparison import NOTHING, always, cells, comparison_of, half, lines_of, page, run_of


@pytest.mark.parametrize(
    ("milliseconds", "percentiles"),
    [
        (list(range(1, 101)), {50: 50, 90: 90, 95: 95, 99: 99, 100: 100}),
        (list(range(200, 0, -1)), {50: 100, 90: 180, 95: 190, 99: 198, 100: 200}),
        ([30, 10, 20], {50: 20, 90: 30, 95: 30, 99: 30, 100: 30}),
        ([7.5], {50: 7.5, 90: 7.5, 95: 7.5, 99: 7.5, 100: 7.5}),
        ([], {}),
    ],
)
def test_percentiles_are_measurements_by_nearest_rank(milliseconds: list[float], percentiles: dict[int, float]) -> None:
    latency = Latency.of(milliseconds)

    assert (latency.count, latency.percentiles) == (len(milliseconds), percentiles)


def test_a_curve_has_every_measurement_or_an_even_choice_with_both_ends() -> None:
    assert Latency.of([30, 10]).curve == [(10, 0.5), (30, 1.0)]
    assert Latency.of([5]).curve == [(5, 1.0)]
    assert NOTHING.curve == []

    curve = Latency.of(list(range(1, 10_001))).curve

    assert (len(curve), curve[0], curve[-1]) == (200, (1, 0.0001), (10_000, 1.0))


def test_a_comparison_is_read_as_it_was_written(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("sync", errors={"timeout": 3}), run_of("line", visit=always(4)))

    comparison.write(tmp_path / "comparison.json")

    assert Comparison.read(tmp_path / "comparison.json") == comparison


def test_a_run_is_one_line_of_the_table() -> None:
    run = run_of(
        "line",
        buyers=12_000,
        accepted=11_000,
        completed=10_000,
        accept=half(9.96, 1234),
        outcome=half(45_678, 120_000),
        errors={"timeout": 900, "reset": 100},
    )

    assert table(comparison_of(run)).splitlines()[0] == (
        "| scenario | system | buyers | accepted | accepted/s | accept p50 / p99 | completed | completed/s |"
        " time to outcome p50 / p99 | orders | orders/s | errors | audit |"
    )
    (line,) = table(comparison_of(run)).splitlines()[2:]
    assert line == (
        "| flash | line | 12,000 | 11,000 | 5,500 | 10 ms / 1.23 s | 10,000 | 2,500 |"
        " 45.7 s / 120.0 s | 100 | 100 | 1,000 | ✓ |"
    )


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.04, "0.0 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (999, "999 ms"),
        (999.6, "1.00 s"),
        (9990, "9.99 s"),
        (9996, "10.0 s"),
        (1_234_567, "1,234.6 s"),
    ],
)
def test_a_time_is_said_in_the_unit_people_use(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"), [(0, "0"), (0.52, "0.5"), (99.9, "99.9"), (99.96, "100"), (12_345.6, "12,346")]
)
def test_a_rate_has_the_digits_that_say_something(per_second: float, text: str) -> None:
    assert rate(per_second) == text
    assert rate(per_second, at_least=True) == f"≥{text}"


def test_the_best_of_a_scenario_is_bold_and_so_is_who_is_within_a_tenth_of_it() -> None:
    comparison = comparison_of(
        run_of("sync", accept=always(500), completed_seconds=8.0),
        run_of("naive", accept=always(10.9)),
        run_of("line", accept=always(10), completed_seconds=3.0),
    )

    assert [(row[1], row[4], row[5], row[7]) for row in cells(comparison)] == [
        ("sync", "500", "500 ms / 500 ms", "125"),
        ("naive", "500", "**11 ms / 11 ms**", "250"),
        ("line", "500", "**10 ms / 10 ms**", "**333**"),
    ]


def test_everything_is_in_the_order_run_and_says_what_was_not_run(tmp_path: Path) -> None:
    comparison = comparison_of(
        run_of("line", "flood"),
        run_of("line", "classic"),
        run_of("sync", "classic"),
        scenarios={"classic": "", "flood": ""},
        systems={"sync": "", "line": ""},
    )

    assert [row[:3] for row in cells(comparison)] == [
        ["classic", "sync", "1,000"],
        ["classic", "line", "1,000"],
        ["flood", "sync", "not run"],
        ["flood", "line", "1,000"],
    ]
    write_report(comparison, tmp_path)
    assert [(line["scenario"], line["system"]) for line in lines_of(tmp_path / "runs.csv")] == [
        ("classic", "sync"),
        ("classic", "line"),
        ("flood", "line"),
    ]


def test_a_pipe_in_a_name_does_not_break_the_table() -> None:
    assert table(comparison_of(run_of("a|b"))).splitlines()[2].startswith("| flash | a\\|b | 1,000 |")


@pytest.mark.parametrize(("busy", "mark"), [(0.85, "≥"), (1.0, "≥"), (0.84, ""), (0.0, "")])
def test_rates_of_a_busy_generator_are_lower_bounds(busy: float, mark: str) -> None:
    run = run_of("line", generator_busy=busy)

    (row,) = cells(comparison_of(run))

    assert (row[4], row[7], row[10]) == (f"{mark}500", f"{mark}250", "100")


@pytest.mark.parametrize(("late", "mark"), [(0.41, "≥"), (0.4, "")])
def test_rates_of_a_generator_that_clicks_late_are_lower_bounds(late: float, mark: str) -> None:
    run = run_of("line", clicked_late_seconds=late)  # all were answered within two seconds

    assert cells(comparison_of(run))[0][4] == f"{mark}500"


def test_the_page_says_where_the_generator_was_the_limit(tmp_path: Path) -> None:
    runs = run_of("sync"), run_of("line", generator_busy=0.93)

    near = page(comparison_of(*runs), tmp_path)
    assert "That is so in flash line (93%, 0.0 s late)." in near
    assert "sync: 500 accepted/s, 250 completed/s; line: ≥500 accepted/s, ≥250 completed/s" in near
    assert "That is so in no run." in page(comparison_of(run_of("sync"), run_of("line")), tmp_path)
