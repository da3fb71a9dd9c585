"""Revision: one state of this project's code, in a directory of its own, with the Python that runs it."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devtools.embedded.shop import PROJECT

REQUIREMENTS = ("requirements-demo.txt", "requirements.txt")  #: what a shop needs; the first one names the second
COMPLETE = "complete"  #: a file in an environment whose packages are all installed
INSIDE = Path(__file__).with_name("inside.py")


class RevisionError(Exception):
    """There is no such revision here, or it can't be set up."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Code to start a shop from."""

    label: str  #: for people
    directory: Path
    python: Path

    def run(self, environment: Mapping[str, str], *arguments: str) -> str:
        """Run its Python in its directory; what it printed. Raises subprocess.CalledProcessError."""
        return subprocess.run(
            [self.python, *arguments], cwd=self.directory, env=environment, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        ).stdout  # fmt: skip

    def inside(self, environment: Mapping[str, str], *arguments: str) -> str:
        """Run ``inside.py`` there, which speaks to that revision's own code; what it printed."""
        return self.run(environment, "-c", INSIDE.read_text(encoding="utf-8"), *arguments)


NOW = Revision("now", PROJECT, Path(sys.executable))


def set_up(name: str, *, project: Path, directory: Path) -> Revision:
    """The revision of ``project`` that git knows by this name, checked out and installed below the directory.

    What is there already and whole is used again; what an interrupted run left half done is made anew.
    Raises RevisionError.
    """
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        raise RevisionError(f"BASELINE has to be a revision that git knows here, not {name!r}.")
    checkout = directory / found[:12]
    _check_out(project, checkout, found)
    return Revision(name, checkout, _environment(checkout, directory))


def _check_out(project: Path, checkout: Path, commit: str) -> None:
    """A worktree of this commit, without changes."""
    at, top = _git(checkout, "rev-parse", "HEAD"), _git(checkout, "rev-parse", "--show-toplevel")
    if at == commit and top == str(checkout.resolve()) and _git(checkout, "status", "--porcelain") == "":
        return
    if checkout.exists():
        shutil.rmtree(checkout)
    _git(project, "worktree", "prune")  # git remembers worktrees whose directory is gone, and makes no other there
    checkout.parent.mkdir(parents=True, exist_ok=True)
    if _git(project, "worktree", "add", "--force", "--detach", str(checkout), commit) is None:
        raise RevisionError(f"git can't check {commit[:12]} out to {checkout}.")


def _environment(checkout: Path, directory: Path) -> Path:
    """The Python of an environment with what this checkout needs; one for all checkouts that need the same."""
    needed = hashlib.sha256(sys.version.encode())
    for file in REQUIREMENTS:
        try:
            needed.update((checkout / file).read_bytes())
        except FileNotFoundError as error:
            raise RevisionError(f"This revision has no {file}: it can't be installed.") from error
    environment = directory / f"python-{needed.hexdigest()[:12]}"
    python = environment / "bin" / "python"
    if not (environment / COMPLETE).exists():
        print(f"Installing what {checkout.name} needs into {environment} (about half a minute) …", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        _call([sys.executable, "-m", "venv", str(environment)])
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _call([str(python), *pip, "-r", str(checkout / REQUIREMENTS[0])])
        (environment / COMPLETE).touch()
    return python


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RevisionError(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout).strip()}")


def _git(directory: Path, *arguments: str) -> str | None:
    """What git says there; None when it fails, or when there is no such directory."""
    if not directory.is_dir():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 (whichever git the user has)
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise RevisionError("BASELINE needs git.") from error
    return done.stdout.strip() if done.returncode == 0 else None
