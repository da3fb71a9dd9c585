"""A rush on each system, with real servers, real Locust and the audit, and a negative control that must fail it."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX
from loadtest.comparison import rush
from loadtest.comparison.result import Comparison, Run
from loadtest.comparison.rush import Rush
from loadtest.comparison.scenarios import Scenario
from loadtest.systems import LINE, NAIVE, SYNC, System
from tests.shop.conftest import seed

SMALL = Scenario(
    name="small", sentence="60 buyers for 20 units.", buyers=60, stock=20, passes=60, visitors=True, browse=1.0
)
# Errors of purchases when the machine is too slow for the shop's time-outs; these buyers retried.
TOO_SLOW = {f"purchase: CatchResponseError('purchase {status}')" for status in (0, 503)}
LINE_CHECKS = 12
NAIVE_CHECKS = 6  # it has no line and no places, and counts in Redis only


def rush_of(system: System, scenario: Scenario, directory: Path) -> Run:
    told: list[str] = []
    run = Rush(system, scenario, seed(), directory, told.append).run()
    assert [told[0], told[-2], told[-1]] == ["starting", "waiting for the last orders", "auditing"]
    return run


@pytest.mark.parametrize(("system", "checks"), [(SYNC, LINE_CHECKS - 2), (NAIVE, NAIVE_CHECKS), (LINE, LINE_CHECKS)])
def test_sixty_buyers_for_twenty_units(tmp_path: Path, system: System, checks: int) -> None:
    run = rush_of(system, SMALL, tmp_path)

    assert [check for check in run.audit if not check.holds] == []
    assert (run.system, run.scenario, run.buyers, run.stock) == (system.name, "small", 60, 20)
    assert (run.accepted, run.completed, run.orders) == (60, 60, 20)
    assert set(run.errors) <= TOO_SLOW
    assert (run.accept.count, run.outcome.count) == (60, 60)
    assert run.visit.count > 0
    assert 0 < run.accepted_seconds <= run.completed_seconds
    assert 0 < run.ordered_seconds <= run.completed_seconds
    assert run.undecided[-1][1] == 0
    assert max(undecided for _, undecided in run.undecided) <= 60
    assert len(run.audit) >= checks


def test_two_locust_processes_share_the_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rush, "PROCESSES", 2)
    scenario = dataclasses.replace(
        SMALL, buyers=12, passes=200, stock=1000, visitors=False, duration_seconds=3, pay=0.0
    )

    run = rush_of(LINE, scenario, tmp_path)

    assert len(list((tmp_path / "records").glob("purchases.*.csv"))) >= 2
    assert run.holds
    assert 12 <= run.buyers <= 200  # replaced when through, for three seconds, each with its own pass
    assert (run.accepted, run.completed, run.orders) == (run.buyers, run.buyers, run.buyers)


def test_an_oversell_is_found(tmp_path: Path) -> None:
    environment = {**os.environ, "VAR_DIR": str(tmp_path), "NEGATIVE_CONTROL": "1", "LEDGER": "sqlite"}

    done = subprocess.run(
        [sys.executable, "-m", "loadtest.compare"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=3 * WAIT_SECONDS_MAX, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    comparison = Comparison.read(tmp_path / "loadtest" / "results.json")
    (run,) = comparison.runs
    violated = {check.name for check in run.audit if not check.holds}
    assert run.orders > run.stock == 20
    assert {"oversold", "sold = the lesser of stock and buyers", "the sale's own count of sold units"} <= violated
    assert f"oversold: expected 0, found {run.orders - 20}" in done.stderr
    assert "<title>VIOLATED" in (tmp_path / "loadtest" / "report.html").read_text()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SYSTEMS", "lime", "SYSTEMS: there is no 'lime'. Choose from sync, naive, line."),
        ("SCENARIOS", "", "SCENARIOS: there is no ''. Choose from A, B, C."),
        ("LEDGER", "oracle", "LEDGER: there is no 'oracle'. Choose from postgres, sqlite."),
    ],
)
def test_a_choice_that_is_none(tmp_path: Path, variable: str, value: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.compare"],
        cwd=PROJECT, env={**os.environ, "VAR_DIR": str(tmp_path), variable: value},
        capture_output=True, text=True, timeout=WAIT_SECONDS_MAX, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (2, f"{says}\n")
    assert not (tmp_path / "loadtest").exists()
