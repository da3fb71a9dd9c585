"""``python -m devtools.demo``: run the whole shop on this machine, with no installed servers.

Starts an embedded Valkey (unless REDIS_URL is set), SQLite (unless DATABASE_URL is set), and the processes of the
Procfile but Flower: gunicorn with the gate and Django, Celery workers and beat. When one process exits, all are
stopped. All files are written below ``var/``.
"""

import os
import re
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from shlex import join

from honcho.manager import Manager
from honcho.printer import Message, Printer

from devtools.embedded.child import watch
from devtools.embedded.ports import free_port, is_taken
from devtools.embedded.shop import PROJECT, QUIET_PROCESSES
from devtools.embedded.valkey import Valkey
from devtools.waiting import wait_until
from seckill.management.running_demo import ADDRESSES, DemoRunsError, hold_lock, read_values, write_values

READY_SECONDS_MAX = 90
ASKED_TO_STOP = (130, 143)  # honcho's exit statuses after Ctrl-C and SIGTERM


def main() -> int:
    """Run the demo until Ctrl-C, SIGTERM or the exit of one of its processes; return the exit status."""
    port = int(os.environ.get("PORT", "8000"))
    if is_taken(port):
        print(f"Port {port} is in use. Choose another one: make demo PORT={port + 1}", file=sys.stderr)
        return 1
    var = Path(os.environ.get("SECKILL_VAR_DIR", PROJECT / "var")).resolve()
    var.mkdir(parents=True, exist_ok=True)
    try:
        lock = hold_lock(var)
    except DemoRunsError:
        print(f"A demo runs in {var} already. Stop it, or choose another directory: SECKILL_VAR_DIR", file=sys.stderr)
        return 1
    with lock:
        return run(var, port)


def run(var: Path, port: int) -> int:
    """Set up and run the demo in the directory ``var``; return the exit status."""
    environment = demo_environment(var, port)
    valkey = None
    if "REDIS_URL" not in os.environ:
        valkey = Valkey(var / "valkey", port=int(environment["REDIS_URL"].rsplit(":", 1)[1].split("/")[0]))
        valkey.directory.mkdir(exist_ok=True)
    os.environ.update(environment)

    for step, arguments in (
        ("Migrating the database", ["migrate", "--verbosity", "0"]),
        ("Collecting static files", ["collectstatic", "--noinput", "--verbosity", "0"]),
        ("Creating demo data", ["seed_demo", "--stock", os.environ.get("DEMO_STOCK", "100")]),
    ):
        print(f"{step} …", flush=True)
        if subprocess.call([sys.executable, "manage.py", *arguments], cwd=PROJECT):
            print(f"{step} failed; see above.", file=sys.stderr)
            return 1

    print("Starting the servers …", flush=True)
    printer = FirstToStop(sys.stdout)
    manager = Manager(printer)
    commands = {name: [sys.executable, *arguments] for name, arguments in QUIET_PROCESSES.items()}
    if valkey is not None:
        commands = {"valkey": valkey.command(), **commands}
    for name, command in commands.items():
        # honcho starts a shell; exec replaces it with the program, so that signals reach the program
        manager.add_process(name, f"exec {join(command)}", env=dict(os.environ), cwd=str(PROJECT))
    threading.Thread(target=announce, args=(port, manager), daemon=True).start()
    manager.loop()
    kept = "Its data is kept for the next start; make clean deletes it."
    print("The demo has stopped.", kept, flush=True)  # flush before writing to stderr, also if both go to a file
    if manager.returncode in ASKED_TO_STOP:
        return 0
    print(f"It stopped because {printer.name} ended by itself.", file=sys.stderr)
    return 1


class FirstToStop(Printer):  # type: ignore[misc]  # honcho is untyped
    """honcho's printer. It records in ``name`` which process stopped first, and has started ones end with the demo."""

    name = "nothing"

    def write(self, message: Message) -> None:
        """Print a message; read those about started and stopped processes."""
        if message.name == "system" and (started := re.fullmatch(r"\w+ started \(pid=(\d+)\)\n", message.data)):
            watch(int(started[1]))  # honcho starts each process in a group of its own
        stopped = re.fullmatch(r"(\w+) stopped \(rc=-?\d+\)\n", message.data) if message.name == "system" else None
        if stopped and self.name == "nothing":
            self.name = stopped[1]
        super().write(message)


def demo_environment(var: Path, port: int) -> dict[str, str]:
    """Return the demo's environment: from the caller's environment, else from the last run, else new values.

    The values are saved in ``var/demo.env``, so that ``./manage.py`` works beside the running demo.
    """
    kept = read_values(var)
    if "REDIS_URL" not in os.environ:
        redis_port = int(kept.get("REDIS_PORT", "0"))
        if not redis_port or is_taken(redis_port):
            redis_port = free_port()
        chosen_redis = f"redis://127.0.0.1:{redis_port}/0"
    else:
        redis_port, chosen_redis = 0, os.environ["REDIS_URL"]
    environment = {
        "SECRET_KEY": os.environ.get("SECRET_KEY") or kept.get("SECRET_KEY") or secrets.token_urlsafe(48),
        "REDIS_URL": chosen_redis,
        "SECKILL_PUBLIC_BASE_URL": os.environ.get("SECKILL_PUBLIC_BASE_URL", f"http://127.0.0.1:{port}"),
    }
    environment |= {name: os.environ[name] for name in ADDRESSES if name in os.environ}
    write_values(var, {**environment, "REDIS_PORT": str(redis_port)})
    return {**environment, "SECKILL_VAR_DIR": str(var), "SECKILL_BIND": f"127.0.0.1:{port}", "PYTHONUNBUFFERED": "1"}


def announce(port: int, manager: Manager) -> None:
    """Print ``ready`` once sale 1 is served, which needs web, line, worker and beat; stop the demo after 90 s."""
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until("sale 1 is served", lambda: _serves(address), READY_SECONDS_MAX, interval_seconds=0.2)
    except TimeoutError:
        print(f"Not ready after {READY_SECONDS_MAX} s: stopping.", file=sys.stderr, flush=True)
        manager.terminate()
        return
    password = "DEMO_ADMIN_PASSWORD" if "DEMO_ADMIN_PASSWORD" in os.environ else "admin"
    print(f"ready {address}\nadmin {address}/admin/ (admin / {password})", flush=True)


def _serves(address: str) -> bool:
    try:
        for path in ("/readyz", "/api/sales/1/progress"):
            with urllib.request.urlopen(f"{address}{path}", timeout=2):  # noqa: S310 (a local address)
                pass
    except (urllib.error.URLError, OSError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
