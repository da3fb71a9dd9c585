"""``.env`` is read in development only, and the process environment wins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose ``.env`` names a web host."""
    (tmp_path / "seckill").mkdir()
    (tmp_path / "seckill/__init__.py").touch()
    shutil.copy(PROJECT / "seckill/environment.py", tmp_path / "seckill")
    (tmp_path / ".env").write_text("SECKILL_HOST_NAME=web-1\nDEBUG=1\n")
    return tmp_path


def host_name(project: Path, **variables: str) -> str:
    """Return the host's name as a process with these variables reads it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SECKILL_", "DEBUG"))}
    return subprocess.run(
        [sys.executable, "-c", "from seckill.environment import env; print(env.str('SECKILL_HOST_NAME', default=''))"],
        cwd=project,
        env=environment | variables,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()


def test_in_development_it_is_read(project: Path) -> None:
    assert host_name(project, DEBUG="true") == "web-1"


def test_the_process_environment_wins(project: Path) -> None:
    assert host_name(project, DEBUG="1", SECKILL_HOST_NAME="web-2") == "web-2"


@pytest.mark.parametrize("variables", [{}, {"DEBUG": "0"}, {"DEBUG": ""}])
def test_in_production_it_is_not_read_even_if_it_says_debug(project: Path, variables: dict[str, str]) -> None:
    assert host_name(project, **variables) == ""


def test_without_the_file_development_has_the_defaults(project: Path) -> None:
    (project / ".env").unlink()

    assert host_name(project, DEBUG="1") == ""


def test_importing_the_settings_creates_no_directory(tmp_path: Path) -> None:
    var, logs = tmp_path / "var", tmp_path / "logs"

    subprocess.run(
        [sys.executable, "-c", "import seckill.settings"],
        cwd=PROJECT,
        env={**os.environ, "SECKILL_VAR_DIR": str(var), "SECKILL_LOG_DIR": str(logs)},
        check=True,
    )

    assert not var.exists()
    assert not logs.exists()


def test_a_process_creates_its_directories(tmp_path: Path) -> None:
    var, logs = tmp_path / "var", tmp_path / "logs"

    subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "SECKILL_VAR_DIR": str(var), "SECKILL_LOG_DIR": str(logs)},
        check=True,
        stdout=subprocess.PIPE,
    )

    assert var.is_dir()
    assert [file.name for file in logs.iterdir()] == ["shop.log"]
