"""Reference pages are complete: what the code has is on the page, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from devtools.embedded.shop import PROJECT
from seckill.accounts.keys import LOGIN_KEYS
from seckill.errors.problems import Problem
from seckill.line.keys import sale_keys

REFERENCE = PROJECT / "docs/reference"
SOURCES = [file for folder in ("seckill", "orders", "celery_task") for file in (PROJECT / folder).rglob("*.py")]
LEVELS = ("debug", "info", "warning", "error", "exception")
METRIC = re.compile(r"seckill_[a-z_]+")


def section(page: str, heading: str) -> str:
    """Return the text below a heading of the second level."""
    return (REFERENCE / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_column(text: str) -> list[str]:
    """Return what is in backticks in the first column of the tables, sorted."""
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row))


def calls(file: Path) -> Iterator[ast.Call]:
    """Return all calls in a module."""
    return (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def logged(file: Path) -> Iterator[str]:
    """Return the log events of a module: the first argument of ``log.info(…)`` and the like."""
    for call in calls(file):
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log" and call.func.attr in LEVELS:
            yield ast.literal_eval(call.args[0])


def made_metrics(file: Path) -> Iterator[str]:
    """Return the metrics that a module makes, named as Prometheus shows them."""
    for call in calls(file):
        kind = ast.unparse(call.func)
        if call.args and isinstance(call.args[0], ast.Constant) and METRIC.fullmatch(name := str(call.args[0].value)):
            yield f"{name}{'_total' if kind.startswith('Counter') else ''}"


def test_every_log_event_is_listed() -> None:
    events = {event for file in SOURCES for event in logged(file)}

    assert len(events) > 30, "this test does not understand the code any more"
    assert first_column((REFERENCE / "log-events.md").read_text()) == sorted(events)


def test_every_metric_is_listed() -> None:
    metrics = {metric for file in SOURCES for metric in made_metrics(file)}

    assert len(metrics) > 10, "this test does not understand the code any more"
    assert first_column(section("metrics.md", "Metrics")) == sorted(metrics)


def test_every_script_is_listed() -> None:
    scripts = sorted(file.name for file in (PROJECT / "seckill").rglob("*.lua"))

    listed = first_column(section("redis.md", "Lua scripts"))
    assert [name for name in listed if name.endswith(".lua")] == scripts


def test_every_key_is_listed() -> None:
    keys = [key.rsplit(":", 1)[1] for key in (*sale_keys(1).all(), *LOGIN_KEYS.all())]

    assert first_column(section("redis.md", "Keys of a sale")) == sorted(keys)


def test_every_command_is_listed() -> None:
    commands = sorted(file.stem for file in (PROJECT / "seckill/management/commands").glob("[a-z]*.py"))
    targets = sorted(re.findall(r"^([a-z]+):.* ## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert [name.split()[0] for name in first_column(section("commands.md", "manage.py"))] == commands
    assert [name.split()[1] for name in first_column(section("commands.md", "make"))] == targets


def test_every_problem_is_listed() -> None:
    listed = re.findall(r"`([a-z_]+)`", re.sub(r"\(.*?\)", "", section("http-api.md", "Errors").split("|---|")[1]))

    assert sorted(set(listed)) == sorted(problem.code for problem in Problem)
