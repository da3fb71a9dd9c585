"""``.env.example`` lists every variable, with an explanation and its default."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import environ
import pytest
from celery.app.defaults import NAMESPACES, flatten

from celery_task.beat.schedule import SCHEDULE
from celery_task.celery import app
from celery_task.queues import ROUTES
from seckill.checks import check_variables
from seckill.environment import CELERY_TYPES, READ_ELSEWHERE, env, unknown_variables

PROJECT = Path(__file__).resolve().parents[2]
READERS = (
    "seckill/settings.py",
    "seckill/environment.py",
    "seckill/conf.py",
    "deploy/gunicorn.conf.py",
    "devtools/demo.py",
    "celery_task/runtime/healthfile.py",
    "celery_task/runtime/metrics_server.py",
    "seckill/management/commands/seed_demo.py",
)
ENTRY = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")


def read_names(file: Path) -> Iterator[str]:
    """Return the variables a module reads: ``env.str("NAME")``, ``os.environ.get("NAME")``, ``os.environ["NAME"]``."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            reader, first = ast.unparse(node.func.value), node.args[0]
            reads = reader == "env" or (reader == "os.environ" and node.func.attr in ("get", "setdefault"))
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            first, reads = node.slice, ast.unparse(node.value) == "os.environ"
        else:
            continue
        if reads and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def listed() -> dict[str, str]:
    """Return name and value of every entry."""
    found = [ENTRY.match(line) for line in (PROJECT / ".env.example").read_text().splitlines()]
    entries = [(match[1], match[2]) for match in found if match]
    assert len(entries) == len(dict(entries)), "a variable is listed twice"
    return dict(entries)


@pytest.mark.parametrize("reader", READERS)
def test_every_variable_that_is_read_is_listed(reader: str) -> None:
    names = set(read_names(PROJECT / reader))

    assert names, "this test does not understand the file any more"
    assert names - set(listed()) == set()


def test_every_variable_that_is_listed_is_read() -> None:
    celery = {f"CELERY_{name}".upper() for name, option in flatten(NAMESPACES) if option.type in CELERY_TYPES}

    assert set(listed()) - {name for reader in READERS for name in read_names(PROJECT / reader)} - celery == set()


def test_the_names_are_found_in_the_settings_at_all() -> None:
    names = set(read_names(PROJECT / "seckill/settings.py"))

    assert {"SECRET_KEY", "DATABASE_URL", "SECKILL_NUM_PROXIES", "SECKILL_LOG_LEVEL"} <= names
    assert len(re.findall(r"\benv\.\w+\(", (PROJECT / "seckill/settings.py").read_text())) == len(names)


def test_every_entry_is_explained_in_the_line_above() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()

    for above, line in pairwise(lines):
        if ENTRY.match(line):
            assert re.match(r"^# [A-Z].{10,}[.:;]|^# [a-zA-Z].{10,}$", above), line


def test_only_the_secret_has_no_default() -> None:
    text = (PROJECT / ".env.example").read_text()

    assert [name for name in listed() if re.search(rf"^{name}=", text, re.MULTILINE)] == ["SECRET_KEY"]


def test_the_file_can_be_read_as_an_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in listed():
        monkeypatch.delenv(name, raising=False)
    copy = tmp_path / ".env"
    copy.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", (PROJECT / ".env.example").read_text(), flags=re.MULTILINE))
    env = environ.Env()
    for name, value in listed().items():
        monkeypatch.setenv(name, value)  # undone after the test, including what read_env sets

    env.read_env(copy, overwrite=True)

    assert {name: env.str(name) for name in listed()} == listed()


RATE = "is not a number, at least 1, per s, min, h or d, such as 60/min"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SECKILL_THROTTLE_PASS", "sixty a minute", f": 'sixty a minute' {RATE}"),
        ("SECKILL_THROTTLE_LOGIN", "", f": '' {RATE}"),
        ("SECKILL_THROTTLE_REGISTER", "0/min", f": '0/min' {RATE}"),
        ("SECKILL_NUM_PROXIES", "-1", "=-1: 0 or more expected"),
    ],
)
def test_a_value_that_no_request_could_use_is_refused_at_the_start(name: str, value: str, reason: str) -> None:
    told = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert told.stderr.strip().splitlines()[-1] == f"django.core.exceptions.ImproperlyConfigured: {name}{reason}"


def test_lists_may_have_spaces_after_their_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "shop.example, www.shop.example ,,")

    assert env.list("ALLOWED_HOSTS", default=[]) == ["shop.example", "www.shop.example"]


def test_every_listed_name_of_ours_is_known_to_the_check() -> None:
    assert {name for name in listed() if name.startswith("SECKILL_")} == {
        name for name in env.names | READ_ELSEWHERE if name.startswith("SECKILL_")
    }


def test_a_misspelt_variable_is_a_warning_and_a_platform_s_own_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECKILL_HTPS", "1")
    monkeypatch.setenv("HOST", "x86_64-conda-linux-gnu")
    monkeypatch.setenv("HTTPS", "on")

    assert unknown_variables() == ["SECKILL_HTPS"]
    (warning,) = check_variables(None)
    assert (warning.id, warning.hint) == ("seckill.W001", "Did you mean SECKILL_HTTPS?")


def celery_setting(name: str, **variables: str) -> str:
    """Return a setting of a Celery process with these variables."""
    return subprocess.run(
        [sys.executable, "-c", f"from celery_task import app; print(app.conf.{name})"],
        cwd=PROJECT, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()  # fmt: skip


def test_celery_s_settings_can_be_set_by_variables() -> None:
    assert celery_setting("task_time_limit") == "60"
    assert celery_setting("task_time_limit", CELERY_TASK_TIME_LIMIT="77") == "77.0"
    assert celery_setting("task_acks_late", CELERY_TASK_ACKS_LATE="false") == "False"
    assert celery_setting("worker_concurrency", CELERY_WORKER_CONCURRENCY="3") == "3"


def test_a_celery_variable_of_the_wrong_type_is_refused_by_name() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        celery_setting("task_time_limit", CELERY_TASK_TIME_LIMIT="a minute")


def test_celery_s_queues_routes_and_schedules_come_from_code() -> None:
    assert set(app.amqp.queues) >= {"orders", "default", "notifications", "exports"}
    assert app.conf.task_routes == ROUTES
    assert app.conf.beat_schedule == SCHEDULE
