"""The report of a load test: the verdict and the audit."""

from pathlib import Path
from typing import Any

import pytest

from loadtest.comparison.report import title, violations
from loadtest.comparison.result import Check, Run
from loadtest.comparison.verdict import verdict
from tests.loadtest.comparison import HOLDS, NOTHING, always, cells, comparison_of, half, page, run_of

OVERSOLD = Check("No more orders than units", "at most 100", "103", holds=False)


def sentence(*runs: Run, **differences: Any) -> str:
    (found,) = verdict(comparison_of(*runs, **differences))
    return "; ".join(found[1])


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
