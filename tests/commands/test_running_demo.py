"""A running demo is found by ``manage.py`` and by nothing else; a demo that ended leaves no secrets in use."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT
from seckill.management.running_demo import ADDRESSES, write_values

DEMO_SECRET = "the-demo's-secret-of-more-than-32-characters"
OWN_SECRET = "a-secret-of-the-operator-of-32-characters-or-more"
PRINT_SECRET = ("shell", "-v", "0", "-c", "from django.conf import settings; print(settings.SECRET_KEY)")
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from seckill.management.running_demo import hold_lock
lock = hold_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A directory in which a demo ran."""
    write_values(tmp_path, {"SECRET_KEY": DEMO_SECRET, "REDIS_URL": "redis://127.0.0.1:7777/0", "REDIS_PORT": "7777"})
    return tmp_path


@contextmanager
def running(var: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the demo's lock in another process."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(var)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline() == "held\n"
        yield demo
        demo.kill()


def run(var: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project, without any variable that the demo sets."""
    unset = ("SECRET_KEY", "REDIS_PORT", *ADDRESSES)
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**environment, "DEBUG": "0", "SECKILL_VAR_DIR": str(var), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    """Check that there was no secret to start with."""
    assert done.returncode == 1
    assert "ImproperlyConfigured: SECRET_KEY must be set" in done.stderr
    assert DEMO_SECRET not in done.stdout + done.stderr


def test_manage_py_uses_the_running_demo_and_says_so_in_one_line(var: Path) -> None:
    with running(var):
        done = run(var, "manage.py", *PRINT_SECRET)

    assert done.stdout == f"{DEMO_SECRET}\n"
    assert done.stderr == f"Using the running demo ({var / 'demo.env'}).\n"


def test_a_demo_that_ended_is_not_used(var: Path) -> None:
    with running(var) as demo:
        assert demo.stdin is not None
        demo.stdin.close()
        demo.wait()

        assert (var / "demo.lock").exists()
        assert_refused(run(var, "manage.py", *PRINT_SECRET))


def test_a_demo_that_was_killed_is_not_used(var: Path) -> None:
    with running(var) as demo:
        demo.send_signal(signal.SIGKILL)
        demo.wait()

        assert_refused(run(var, "manage.py", *PRINT_SECRET))


def test_a_directory_without_a_demo_is_no_demo(tmp_path: Path) -> None:
    assert_refused(run(tmp_path, "manage.py", *PRINT_SECRET))


@pytest.mark.parametrize("module", ["seckill.wsgi", "seckill.asgi"])
def test_web_processes_never_use_a_running_demo(var: Path, module: str) -> None:
    with running(var):
        assert_refused(run(var, "-c", f"import {module}"))


def test_workers_never_use_a_running_demo(var: Path) -> None:
    with running(var):
        done = run(var, "-c", "from celery_task import app; app.conf.task_queues")

    assert_refused(done)


def test_an_own_secret_wins(var: Path) -> None:
    with running(var):
        done = run(var, "manage.py", *PRINT_SECRET, SECRET_KEY=OWN_SECRET)

    assert (done.stdout, done.stderr) == (f"{OWN_SECRET}\n", "")


def test_the_demo_is_used_as_a_whole_or_not_at_all(var: Path) -> None:
    with running(var):
        assert_refused(run(var, "manage.py", *PRINT_SECRET, REDIS_URL="redis://127.0.0.1:6379/0"))
        assert_refused(run(var, "manage.py", *PRINT_SECRET, DATABASE_URL="sqlite:////tmp/another-shop.sqlite3"))
        assert run(var, "manage.py", *PRINT_SECRET, REDIS_URL="redis://127.0.0.1:7777/0").stdout == f"{DEMO_SECRET}\n"


def test_development_has_its_own_secret(var: Path) -> None:
    with running(var):
        done = run(var, "manage.py", *PRINT_SECRET, DEBUG="1")

    assert (done.stdout, done.stderr) == ("insecure-key-for-development-only\n", "")


def test_a_second_demo_in_the_same_directory_is_refused(var: Path) -> None:
    with running(var):
        done = run(var, "-m", "devtools.demo", PORT="0")

    assert done.returncode == 1
    assert done.stderr == (f"A demo runs in {var} already. Stop it, or choose another directory: SECKILL_VAR_DIR\n")
    assert f"SECRET_KEY={DEMO_SECRET}\n" in (var / "demo.env").read_text()
