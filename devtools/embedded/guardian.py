"""Kills the child processes of a parent that has ended. `devtools.embedded.child` starts it, by this file's path.

Standard input is a pipe whose other end the parent holds. Each line is ``+PID``, a process group to end with the
parent, or ``-PID``, a group whose leader has ended. The pipe ends with the parent, even if the parent gets SIGKILL.
Then each remaining group gets SIGTERM, and SIGKILL five seconds later.
"""

import os
import signal
import sys
import time

TERM_SECONDS_MAX = 5
LOOK_SECONDS = 0.05


def main() -> None:
    """Read groups until the pipe ends, then end those that are left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")  # it holds no directory that its parent may want to remove
    led: set[int] = set()
    left: set[int] = set()  # without their leader: kept while other processes of the group run
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            led.add(group)
            left.discard(group)
        else:
            led.discard(-group)
            left.add(-group)
        left = {group for group in left if send(group, 0)}
    end(led | left)


def end(groups: set[int]) -> None:
    """End all processes of these groups."""
    give_up_at = time.monotonic() + TERM_SECONDS_MAX
    groups = {group for group in groups if send(group, signal.SIGTERM)}
    while groups and time.monotonic() < give_up_at:
        time.sleep(LOOK_SECONDS)
        groups = {group for group in groups if send(group, 0)}
    for group in groups:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether the group exists. Signal 0 only asks."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers the latter for a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
