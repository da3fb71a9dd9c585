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

PROJECT = Path(__file__).resolve().parents[2]
READERS = (
    "seckill/settings.py",
    "seckill/environment.py",
    "seckill/conf.py",
    "deploy/gunicorn.conf.py",
    "devtools/demo.py",
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
    assert set(listed()) - {name for reader in READERS for name in read_names(PROJECT / reader)} == set()


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


def test_a_rate_that_is_none_is_refused_at_the_start() -> None:
    told = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "SECKILL_THROTTLE_PASS": "sixty a minute"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert told.stderr.strip().splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: SECKILL_THROTTLE_PASS: 'sixty a minute' is not a number, at "
        "least 1, per s, min, h or d, such as 60/min"
    )
