"""Child processes that end with their parent, also when the parent gets SIGKILL.

The first child starts a guardian (`devtools.embedded.guardian`), which holds one end of a pipe. The kernel closes the
other end when the parent ends, and the guardian kills what is left. This works on Linux and macOS, and for children
that run as another user.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO

GUARDIAN = Path(__file__).with_name("guardian.py")
#: A child sends its id to the guardian before it becomes the program: the parent may be killed between the two.
REGISTER = 'echo "+$$" >&0; exec "$@" </dev/null'

_lock = Lock()
_pipe: int | None = None  # of this process, to its guardian


class Child(subprocess.Popen[bytes]):
    """A process without input, in its own process group (its id is ``pid``)."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = subprocess.STDOUT,
    ) -> None:
        """Start it. A program that does not exist ends with status 127."""
        super().__init__(
            ["/bin/sh", "-c", REGISTER, "sh", *command],
            stdin=_pipe_to_guardian(), stdout=stdout, stderr=stderr, cwd=cwd, env=env, user=user,
            start_new_session=True,
        )  # fmt: skip

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        had_ended = self.returncode is not None
        status = super().poll()
        if status is not None and not had_ended:
            _send(-self.pid)
        return status

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return the exit status.

        Raises:
            subprocess.TimeoutExpired: it runs for longer than ``timeout`` seconds.
        """
        had_ended = self.returncode is not None
        status = super().wait(timeout)
        if not had_ended:
            _send(-self.pid)
        return status


def watch(group: int) -> None:
    """End this process group with this process too: for a process that honcho started."""
    _send(group)


def _send(group: int) -> None:
    os.write(_pipe_to_guardian(), f"{group:+d}\n".encode())


def _pipe_to_guardian() -> int:
    """Return the pipe to the guardian of this process; start the guardian first, if there is none."""
    global _pipe
    with _lock:
        if _pipe is None:
            reading, _pipe = os.pipe()
            null = os.open(os.devnull, os.O_WRONLY)
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(GUARDIAN)],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, null, 1)],
                setsid=True,
            )
            os.close(reading)
            os.close(null)
        return _pipe


def _close_in_fork() -> None:
    """Let go of the parent's pipe: a forked process that lives on would keep the guardian waiting."""
    global _lock, _pipe  # noqa: PLW0603 (one for the process)
    _lock = Lock()
    if _pipe is not None:
        os.close(_pipe)
        _pipe = None


os.register_at_fork(after_in_child=_close_in_fork)
