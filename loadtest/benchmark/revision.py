"""Revision: one state of this project's code, checked out in a directory, with the Python that runs it."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devtools.embedded.shop import PROJECT

REQUIREMENTS = ("requirements-demo.txt", "requirements.txt")  #: what a shop needs; the first file names the second
COMPLETE = "complete"  #: marks an environment whose packages are all installed
COMMANDS = Path(__file__).with_name("revision_commands.py")


class RevisionError(Exception):
    """The revision does not exist or cannot be set up."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Code to start a shop from."""

    label: str  #: shown in reports
    directory: Path
    python: Path

    def run(self, environment: Mapping[str, str], *arguments: str) -> str:
        """Run its Python in its directory and return the output. Raises subprocess.CalledProcessError."""
        return subprocess.run(
            [self.python, *arguments], cwd=self.directory, env=environment, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        ).stdout  # fmt: skip

    def run_command(self, environment: Mapping[str, str], *arguments: str) -> str:
        """Run ``revision_commands.py``, which uses the revision's own code, and return the output."""
        return self.run(environment, "-c", COMMANDS.read_text(encoding="utf-8"), *arguments)


NOW = Revision("now", PROJECT, Path(sys.executable))


def set_up(name: str, *, project: Path, directory: Path) -> Revision:
    """Check out a git revision of ``project`` and install its packages below the directory.

    A complete checkout is reused; one that was interrupted is made again. Raises RevisionError.
    """
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        raise RevisionError(f"BASELINE has to be a revision that git knows here, not {name!r}.")
    checkout = directory / found[:12]
    _check_out(project, checkout, found)
    return Revision(name, checkout, _environment(checkout, directory))


def _check_out(project: Path, checkout: Path, commit: str) -> None:
    """Create a clean worktree of this commit."""
    at, top = _git(checkout, "rev-parse", "HEAD"), _git(checkout, "rev-parse", "--show-toplevel")
    if at == commit and top == str(checkout.resolve()) and _git(checkout, "status", "--porcelain") == "":
        return
    if checkout.exists():
        shutil.rmtree(checkout)
    _git(project, "worktree", "prune")  # git remembers worktrees whose directory is gone and refuses to recreate them
    checkout.parent.mkdir(parents=True, exist_ok=True)
    if _git(project, "worktree", "add", "--force", "--detach", str(checkout), commit) is None:
        raise RevisionError(f"git can't check {commit[:12]} out to {checkout}.")


def _environment(checkout: Path, directory: Path) -> Path:
    """Return the Python of an environment with this checkout's packages.

    Checkouts with equal requirements share one.
    """
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
    """Return git's output there; None when git fails or the directory does not exist."""
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
