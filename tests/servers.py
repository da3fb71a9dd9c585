"""Real servers for the tests, started before Django reads its settings (loaded by ``-p tests.servers``).

PostgreSQL comes from its wheel, unless DATABASE_URL names a database. Valkey is always started here, since tests empty
it. It is also the broker, unless BROKER=rabbitmq selects RabbitMQ: the tests of tasks run on both.

With ``-n`` each worker of pytest-xdist is a process with servers of its own, so tests side by side share nothing. The
controlling process runs no tests and starts no server.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from devtools.embedded.postgres import Postgres
from devtools.embedded.valkey import Valkey
from tests.rabbitmq import NoRabbitError, Rabbit

ENVIRONMENT = {
    "SECRET_KEY": "a-secret-for-tests-of-at-least-32-characters",
    "DEBUG": "0",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "PUBLIC_BASE_URL": "https://shop.example",
    "LOG_LEVEL": "WARNING",
}
NOWHERE = "redis://127.0.0.1:1/0"  # for the controlling process, which only reads the settings

directory: Path | None = None
valkey: Valkey
postgres: Postgres | None = None
rabbit: Rabbit | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the servers of this process and set their addresses in the environment."""
    global directory  # noqa: PLW0603 (one set of servers for the process, made once)
    directory = Path(tempfile.mkdtemp(prefix="seckill-tests-"))
    directory.chmod(0o755)  # PostgreSQL may run as another user
    atexit.register(_stop)
    os.environ |= ENVIRONMENT | {"VAR_DIR": str(directory / "var")}
    if _controls_workers(early_config):
        os.environ |= {"REDIS_URL": NOWHERE, "CELERY_BROKER_URL": NOWHERE, "CACHE_URL": NOWHERE}
    else:
        _start(directory)


def pytest_unconfigure() -> None:
    """Stop the servers at the end of the session: a worker of pytest-xdist may end without `atexit`."""
    _stop()


def _controls_workers(config: pytest.Config) -> bool:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return False
    return bool(getattr(config.known_args_namespace, "numprocesses", None))


def _start(directory: Path) -> None:
    global valkey, postgres, rabbit  # noqa: PLW0603 (as above)
    valkey = Valkey(directory / "valkey", flags=["--appendfsync", "everysec", "--databases", "32"])
    valkey.start()
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(directory / "postgres", settings={"fsync": "off", "max_connections": "200"})
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.url("seckill")
    if os.environ.get("BROKER") == "rabbitmq":
        rabbit = _start_rabbit(directory / "rabbitmq")
    os.environ |= {
        "REDIS_URL": valkey.url(0),
        "CELERY_BROKER_URL": rabbit.url if rabbit else valkey.url(1),
        "CACHE_URL": valkey.url(2),
    }


def _start_rabbit(directory: Path) -> Rabbit:
    """Return a running RabbitMQ. Without one the tests are skipped; in CI they fail."""
    try:
        running = Rabbit(directory)
        running.start()
    except NoRabbitError as error:
        pytest.exit(f"NO RABBITMQ, SO NOTHING WAS TESTED ON IT: {error}", 1 if os.environ.get("CI") == "true" else 0)
    return running


def _stop() -> None:
    """Stop the servers and remove their files. The second call finds nothing to do."""
    if "valkey" in globals():
        valkey.stop()
    if rabbit is not None:
        rabbit.stop()
    if postgres is not None:
        postgres.stop()
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
