"""Real servers for the tests, started before Django reads its settings (loaded by ``-p tests.servers``).

PostgreSQL comes from its wheel, unless DATABASE_URL names a database. Valkey is always started here, since tests empty
it. It is also the broker, unless BROKER=rabbitmq selects RabbitMQ: the tests of tasks run on both.
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

directory: Path | None = None
valkey: Valkey
postgres: Postgres | None = None
rabbit: Rabbit | None = None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the servers and set their addresses in the environment."""
    global directory, valkey, postgres, rabbit  # noqa: PLW0603 (one set of servers for the process, made once)
    directory = Path(tempfile.mkdtemp(prefix="seckill-tests-"))
    directory.chmod(0o755)  # PostgreSQL may run as another user
    valkey = Valkey(directory / "valkey", flags=["--appendfsync", "everysec", "--databases", "32"])
    atexit.register(_stop, directory)
    valkey.start()
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(directory / "postgres", settings={"fsync": "off", "max_connections": "200"})
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.url("seckill")
    if os.environ.get("BROKER") == "rabbitmq":
        rabbit = _start_rabbit(directory / "rabbitmq")
    os.environ |= {
        "SECKILL_VAR_DIR": str(directory / "var"),
        "SECRET_KEY": "a-secret-for-tests-of-at-least-32-characters",
        "DEBUG": "0",
        "REDIS_URL": valkey.url(0),
        "CELERY_BROKER_URL": rabbit.url if rabbit else valkey.url(1),
        "CACHE_URL": valkey.url(2),
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "SECKILL_PUBLIC_BASE_URL": "https://shop.example",
        "SECKILL_LOG_LEVEL": "WARNING",
    }


def _start_rabbit(directory: Path) -> Rabbit:
    """Return a running RabbitMQ. Without one the tests are skipped; in CI they fail."""
    try:
        running = Rabbit(directory)
        running.start()
    except NoRabbitError as error:
        pytest.exit(f"NO RABBITMQ, SO NOTHING WAS TESTED ON IT: {error}", 1 if os.environ.get("CI") == "true" else 0)
    return running


def _stop(directory: Path) -> None:
    """Stop the servers and remove their files, however pytest ended."""
    valkey.stop()
    if rabbit is not None:
        rabbit.stop()
    if postgres is not None:
        postgres.stop()
    shutil.rmtree(directory, ignore_errors=True)
