"""The report of a load test: table, verdict, warnings and files."""

import csv
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtest.comparison.charts import colours_of, draw, duration, rate
from loadtest.comparison.report import table, title, verdict, violations, write_report
from loadtest.comparison.result import Check, Comparison, Latency, Run

HOLDS = Check("No more orders than units", "at most 100", "100", holds=True)
OVERSOLD = Check("No more orders than units", "at most 100", "103", holds=False)
NOTHING = Latency.of([])


def always(milliseconds: float) -> Latency:
    return Latency.of([milliseconds])


def half(first: float, second: float) -> Latency:
    return Latency.of([first, second])


def run_of(system: str, scenario: str = "flash", **differences: Any) -> Run:
    """Return a run of 1,000 buyers, answered within two seconds, with outcomes within four."""
    run = Run(
        system=system,
        scenario=scenario,
        buyers=1000,
        stock=100,
        accepted=1000,
        accepted_seconds=2.0,
        completed=1000,
        completed_seconds=4.0,
        orders=100,
        ordered_seconds=1.0,
        accept=half(10, 20),
        outcome=half(1000, 2000),
        visit=NOTHING,
        generator_busy=0.3,
        clicked_late_seconds=0.0,
        errors={},
        undecided=[(0.0, 0), (1.0, 1000), (4.0, 0)],
        depth=[(0.0, 0), (1.0, 600), (3.0, 0)],
        audit=[HOLDS],
    )
    return replace(run, **differences)


def comparison_of(*runs: Run, **differences: Any) -> Comparison:
    comparison = Comparison(
        taken_at="2025-11-21T13:02:11Z",
        command="make loadtest",
        hardware="2 cores, 4 GiB",
        versions="Python 3.11.7, Django 5.2",
        generator_per_second=100_000,
        scenarios=dict.fromkeys([run.scenario for run in runs], "Many come at once."),
        systems={run.system: f"What {run.system} does." for run in runs},
        runs=list(runs),
    )
    return replace(comparison, **differences)


def cells(comparison: Comparison) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(comparison).splitlines()[2:]]


def sentence(*runs: Run, **differences: Any) -> str:
    (found,) = verdict(comparison_of(*runs, **differences))
    return "; ".join(found[1])


def page(comparison: Comparison, directory: Path) -> str:
    write_report(comparison, directory)
    return (directory / "report.html").read_text(encoding="utf-8")


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Elements(HTMLParser):
    """Collects every element of a page with its attributes, and the text of some."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


# -- latencies


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


# -- the table


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


# -- a generator at its limit


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


# -- the verdict


def test_the_verdict_of_a_win_has_the_factors() -> None:
    assert sentence(
        run_of("sync", accept=always(4000), outcome=always(4000), completed_seconds=10.0, accepted_seconds=10.0),
        run_of("naive", accept=always(48), outcome=always(3000), completed_seconds=5.0),
        run_of("line", accept=always(12), outcome=always(2000)),
    ) == (
        "line answers a click soonest (12 ms at p99, naive takes 4.0 times as long, sync takes 333 times as long);"
        " line tells the outcome soonest (2.00 s at p99, naive takes 1.5 times as long, sync takes 2.0 times as long);"
        " line completes most (250/s of 500/s accepted, 1.2 times naive's 200/s of 500/s accepted,"
        " 2.5 times sync's 100/s of 100/s accepted)"
    )


def test_the_verdict_of_a_loss_says_so_plainly() -> None:
    assert sentence(
        run_of("sync", accept=always(10), outcome=always(4000), visit=always(5)),
        run_of("line", accept=always(30), outcome=always(6000), visit=always(50)),
    ) == (
        "sync answers a click soonest (10 ms at p99, line takes 3.0 times as long);"
        " sync tells the outcome soonest (4.00 s at p99, line takes 1.5 times as long),"
        " no gain from line: buffering does not make slow work faster;"
        " sync serves a visitor soonest (5.0 ms at p99, line takes 10 times as long)"
    )


def test_who_is_level_with_another_gains_nothing() -> None:
    found = sentence(run_of("sync", outcome=always(2000)), run_of("line", outcome=always(2100)))

    assert (
        "sync and line tell the outcome equally soon (2.00 s and 2.10 s at p99),"
        " no gain from line: buffering does not make slow work faster"
    ) in found


def test_who_is_ahead_for_the_slowest_but_behind_for_half_hears_both() -> None:
    found = sentence(run_of("sync", outcome=half(1000, 9000)), run_of("line", outcome=half(3000, 4500)))

    assert (
        "line tells the outcome soonest (4.50 s at p99, sync takes 2.0 times as long),"
        " but at p50 sync is ahead, 1.00 s against 3.00 s,"
        " no gain from line: buffering does not make slow work faster"
    ) in found


def test_a_system_alone_is_ahead_of_nobody() -> None:
    assert sentence(run_of("line")) == (
        "line answers a click (20 ms at p99); line tells the outcome (2.00 s at p99);"
        " line completes (250/s of 500/s accepted)"
    )


def test_a_run_whose_audit_does_not_hold_wins_nothing() -> None:
    comparison = comparison_of(run_of("naive", accept=always(1), audit=[OVERSOLD]), run_of("line"))

    ((_, clauses),) = verdict(comparison)

    assert clauses[0] == "line answers a click (20 ms at p99)"
    assert clauses[-1] == "naive is not ranked, since its audit does not hold"
    assert cells(comparison)[0][5] == "1.0 ms / 1.0 ms"


def test_buyers_without_an_outcome_belong_in_the_verdict() -> None:
    few, many = run_of("line", completed=990), run_of("sync", completed=989)

    found = sentence(few, many)

    assert found.endswith("; 11 of 1,000 buyers got no outcome from sync")
    assert found.count("got no outcome") == 1


@pytest.mark.parametrize(
    ("naive_per_second", "line_per_second", "comparing"),
    [
        (100, 1000, "at least 10 times naive's 100/s of 500/s accepted"),
        (1000, 100, "at least 10 times line's 100/s of 500/s accepted"),
        (100, 400, "4.0 times naive's 100/s of 500/s accepted"),
        (700, 1000, "naive ≥700/s of ≥500/s accepted"),
    ],
)
def test_a_factor_of_bounds_is_a_bound(naive_per_second: int, line_per_second: int, comparing: str) -> None:
    naive, line = (
        run_of(system, completed_seconds=1000 / per_second, generator_busy=0.9 if per_second > 500 else 0.3)
        for system, per_second in (("naive", naive_per_second), ("line", line_per_second))
    )

    found = sentence(naive, line)

    assert comparing in found


def test_a_factor_against_a_bound_is_at_most_that() -> None:
    line = run_of("line", completed_seconds=1.0)
    naive = run_of("naive", accepted_seconds=0.5, completed_seconds=2.0, generator_busy=0.9)

    found = sentence(line, naive)

    assert "line completes most (1,000/s of 500/s accepted, at most 2.0 times naive's ≥500/s of ≥2,000/s" in found


def test_nothing_measured_is_nothing_said(tmp_path: Path) -> None:
    run = run_of("line", accepted=0, completed=0, orders=0, accept=NOTHING, outcome=NOTHING, undecided=[], depth=[])

    assert sentence(run) == "1,000 of 1,000 buyers got no outcome from line"
    assert cells(comparison_of(run))[0][3:9] == ["0", "0", "-", "0", "0", "-"]
    assert page(comparison_of(run), tmp_path).count("<!-- nothing to show -->") == 5


# -- the audit


def test_a_violated_audit_is_the_first_thing_to_be_read(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("line"), run_of("naive", audit=[HOLDS, OVERSOLD]))
    violation = "flash, naive: No more orders than units: expected at most 100, found 103."

    text = page(comparison, tmp_path)

    assert violations(comparison) == [violation]
    assert "<title>VIOLATED: Load test: line or naive?</title>" in text
    assert '<h1>VIOLATED: Load test: line or naive?</h1>\n<div class="banner bad" role="alert">' in text
    assert "The audit is VIOLATED: 2 of 3 checks hold, in 2 runs." in text
    assert f"<li>{violation}</li>" in text
    assert [row[-1] for row in cells(comparison)] == ["✓", "✗"]
    assert (
        (tmp_path / "report.md")
        .read_text(encoding="utf-8")
        .startswith(
            "# VIOLATED: Load test: line or naive?\n\n**The audit is VIOLATED: 2 of 3 checks hold, in 2 runs.**\n\n"
            f"- {violation}\n\n"
        )
    )


def test_an_audit_that_holds_is_green(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("line"))

    text = page(comparison, tmp_path)

    assert '<h1>Load test: line?</h1>\n<div class="banner good">' in text
    assert "The audit holds: 1 of 1 checks, in 1 run." in text
    assert violations(comparison) == []
    assert "VIOLATED" not in text + (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_run_without_an_audit_does_not_hold(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("line"), run_of("sync", audit=[]))

    assert not comparison.holds
    assert title(comparison) == "VIOLATED: Load test: line or sync?"
    assert violations(comparison) == ["flash, sync: no audit was taken."]
    assert cells(comparison)[1][-1] == "✗"
    assert "✗ no audit was taken" in page(comparison, tmp_path)


def test_a_comparison_without_runs_does_not_hold(tmp_path: Path) -> None:
    comparison = comparison_of(scenarios={"flash": "Many come at once."}, systems={"line": ""})

    assert violations(comparison) == ["Nothing was run."]
    assert "<title>VIOLATED: " in page(comparison, tmp_path)
    assert cells(comparison)[0][:3] == ["flash", "line", "not run"]


# -- charts


def test_a_chart_says_its_numbers_to_those_who_do_not_see_it() -> None:
    run = run_of("line", visit=always(7), generator_busy=0.9)
    charts = draw("flash", [run], colours_of(["line"]))

    assert [(chart.name, chart.numbers) for chart in charts] == [
        ("flash-rates", "line: ≥500 accepted/s, ≥250 completed/s"),
        ("flash-accept-latency", "line: p50 10 ms, p99 20 ms"),
        ("flash-outcome-latency", "line: p50 1.00 s, p99 2.00 s"),
        ("flash-undecided", "line: peak 1,000, 0 after 4.0 s"),
        ("flash-depth", "line: peak 600, 0 after 3.0 s"),
        ("flash-visits", "line: p50 7.0 ms, p99 7.0 ms"),
    ]
    for chart in charts:
        assert chart.svg.startswith(f'<svg role="img" aria-label="{chart.title}. {chart.numbers}"')
        assert f"<title>{chart.title}</title>" in chart.svg
        assert chart.png.startswith(b"\x89PNG")


def test_a_chart_tells_what_was_left_what_was_never_there_and_what_was_not_measured() -> None:
    runs = [
        run_of("line", undecided=[(0.0, 50), (1.0, 1000), (2.0, 30)]),
        run_of("sync", undecided=[(0.0, 0), (2.0, 0)]),
        run_of("naive", undecided=[]),
    ]

    undecided = draw("flash", runs, colours_of(["line"]))[3]

    assert undecided.numbers == "line: peak 1,000, 30 at the end; sync: always 0; naive: not measured"
    assert "nothing to show" not in undecided.svg


def test_visitors_have_a_chart_only_where_there_were_any() -> None:
    assert len(draw("flash", [run_of("line")], colours_of([]))) == 5


def test_a_system_has_its_own_colour_whoever_else_is_there() -> None:
    alone, among = colours_of(["line"]), colours_of(["new", "sync", "newer", "line"])

    assert alone["line"] == among["line"] == "#0b66c3"
    assert len({among[system] for system in ("new", "sync", "newer", "line")}) == 4


# -- files


def test_the_same_comparison_gives_the_same_files(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("sync"), run_of("line"))

    for name in ("once", "twice"):
        write_report(comparison, tmp_path / name)

    once = {path.relative_to(tmp_path / "once"): path.read_bytes() for path in (tmp_path / "once").rglob("*.*")}
    twice = {path.relative_to(tmp_path / "twice"): path.read_bytes() for path in (tmp_path / "twice").rglob("*.*")}
    assert once == twice
    assert {str(path) for path in once} == {
        "report.html",
        "report.md",
        "runs.csv",
        "accept_latency.csv",
        "outcome_latency.csv",
        "visit_latency.csv",
        "series.csv",
        "audit.csv",
        *(
            f"charts/flash-{name}.{ending}"
            for name in ("rates", "accept-latency", "outcome-latency", "undecided", "depth")
            for ending in ("svg", "png")
        ),
    }


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    text = page(comparison_of(run_of("line"), run_of("line", "flood")), tmp_path)
    elements = Elements(text).found

    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object", "embed", "image"}
    addresses = [
        value or ""
        for _, attributes in elements
        for name, value in attributes.items()
        if name in {"href", "src", "xlink:href", "srcset"}
    ]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert "url(http" not in text
    assert "@import" not in text
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses} <= set(ids)


def test_the_page_is_for_everybody(tmp_path: Path) -> None:
    elements = Elements(page(comparison_of(run_of("line", errors={"timeout": 1})), tmp_path)).found

    assert [tag for tag, _ in elements if tag in {"h1", "h2", "h3"}][:4] == ["h1", "h2", "h3", "h2"]
    assert [tag for tag, _ in elements].count("h1") == 1
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")
    assert all(attributes["role"] == "img" for tag, attributes in elements if tag == "svg")
    assert ("html", {"lang": "en"}) in elements
    boxes = [attributes for _, attributes in elements if attributes.get("class") == "box"]
    assert [box["aria-label"] for box in boxes] == ["Results", "Which one to choose", "Errors", "Audit"]


def test_names_from_outside_are_text_and_nothing_else(tmp_path: Path) -> None:
    name = "<b onclick='x'>new & \"odd\"</b>"
    check = Check("1 < 2", "<1>", "<2>", holds=False)

    text = page(comparison_of(run_of(name, name, errors={"<i>": 1}, audit=[check])), tmp_path)

    assert not {tag for tag, _ in Elements(text).found} & {"b", "i"}
    assert "1 &lt; 2: expected &lt;1&gt;, found &lt;2&gt;." in text


def test_markdown_links_to_the_pictures_beside_it(tmp_path: Path) -> None:
    write_report(comparison_of(run_of("sync", "A slow call"), run_of("line", "A slow call")), tmp_path)

    text = (tmp_path / "report.md").read_text(encoding="utf-8")

    pictures = [line.split("(")[1].removesuffix(")") for line in text.splitlines() if line.startswith("![")]
    assert pictures[0] == "charts/a-slow-call-rates.png"
    assert len(pictures) == 5
    assert all((tmp_path / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert table(comparison_of(run_of("sync", "A slow call"), run_of("line", "A slow call"))) in text
    assert "## Errors\n\nNone.\n\n" in text
    assert "| A slow call | line | No more orders than units | at most 100 | 100 | ✓ |" in text


def test_the_most_frequent_error_of_a_run_comes_first(tmp_path: Path) -> None:
    write_report(comparison_of(run_of("line", errors={"reset": 3, "timeout": 1200})), tmp_path)

    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| flash | line | timeout | 1,200 |\n| flash | line | reset | 3 |\n" in text


def test_figures_come_back_from_csv(tmp_path: Path) -> None:
    run = run_of(
        "line", generator_busy=0.9, accept=Latency.of([1.25, 3.5, 0.1 + 0.2]), errors={"timeout": 3, "reset": 4}
    )

    write_report(comparison_of(run, run_of("sync", audit=[])), tmp_path)

    first, second = lines_of(tmp_path / "runs.csv")
    assert {name: float(first[name]) for name in ("buyers", "stock", "accepted", "completed", "orders")} == {
        "buyers": 1000,
        "stock": 100,
        "accepted": 1000,
        "completed": 1000,
        "orders": 100,
    }
    assert [float(first[f"{name}_per_second"]) for name in ("accepted", "completed", "orders")] == [500, 250, 100]
    assert [float(first[name]) for name in ("accepted_seconds", "completed_seconds", "ordered_seconds")] == [2, 4, 1]
    assert {p: float(first[f"accept_p{p}_ms"]) for p in (50, 90, 95, 99, 100)} == run.accept.percentiles
    assert {p: float(first[f"outcome_p{p}_ms"]) for p in (50, 90, 95, 99, 100)} == run.outcome.percentiles
    assert [first[name] for name in ("system", "accept_count", "visit_count", "visit_p50_ms")] == ["line", "3", "0", ""]
    assert [first[name] for name in ("errors", "errors_by_name")] == ["7", '{"timeout": 3, "reset": 4}']
    assert [first["generator_was_the_limit"], first["audit_holds"], second["audit_holds"]] == ["True", "True", "False"]

    points = lines_of(tmp_path / "accept_latency.csv")
    assert [(float(p["ms"]), float(p["share"])) for p in points if p["system"] == "line"] == run.accept.curve
    assert [float(p["ms"]) for p in lines_of(tmp_path / "outcome_latency.csv")] == [1000, 2000, 1000, 2000]
    assert lines_of(tmp_path / "visit_latency.csv") == []
    series = [line for line in lines_of(tmp_path / "series.csv") if line["system"] == "line"]
    for name, expected in (("undecided", run.undecided), ("depth", run.depth)):
        assert [(float(s["seconds"]), int(s["buyers"])) for s in series if s["series"] == name] == expected
    assert lines_of(tmp_path / "audit.csv") == [
        {
            "scenario": "flash",
            "system": "line",
            "check": "No more orders than units",
            "expected": "at most 100",
            "found": "100",
            "holds": "True",
        }
    ]


def test_a_report_needs_no_django_settings(tmp_path: Path) -> None:
    comparison_of(run_of("line", errors={"timeout": 1234})).write(tmp_path / "comparison.json")
    program = (
        "from pathlib import Path; from loadtest.comparison.report import write_report;"
        " from loadtest.comparison.result import Comparison;"
        f" directory = Path({str(tmp_path)!r});"
        " write_report(Comparison.read(directory / 'comparison.json'), directory)"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env={}, cwd=Path(__file__).parents[2])

    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td>timeout</td><td class="short number">1,234</td>' in text
