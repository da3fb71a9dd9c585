"""Environment variables: where the settings read them from, and which names are the shop's own.

In development, that is when ``DEBUG`` is true in the process environment, the file ``.env`` of the project is read too;
variables of the process win. Without ``DEBUG`` the process environment is all there is.
"""

import builtins
import os
from pathlib import Path
from typing import Any

import environ
from celery.app.defaults import NAMESPACES, flatten
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

PREFIX = "SECKILL_"
#: Names that are read without `env`: by gunicorn's configuration, by workers and by their health file.
READ_ELSEWHERE = frozenset({"SECKILL_BIND", "SECKILL_LIVENESS_FILE", "SECKILL_METRICS_PORT"})

CELERY_PREFIX = "CELERY_"
#: Types of Celery settings whose values can be written in a variable. Dicts and lists belong in code.
CELERY_TYPES = ("int", "float", "bool", "string", "str")


class Environment(environ.Env):  # type: ignore[misc]  # django-environ is untyped
    """django-environ's reader, which records the names that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get_value(self, var: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (as in the base class)
        """Return the value of a variable; all readers of the base class call this."""
        self.names.add(var)
        return super().get_value(var, *args, **options)

    def list(self, var: str, *args: Any, **options: Any) -> builtins.list[str]:  # noqa: ANN401 (as in the base class)
        """Return the items between commas, without the spaces around them."""
        return [item.strip() for item in super().list(var, *args, **options) if item.strip()]


env = Environment()
DEBUG: bool = env.bool("DEBUG", default=False)
if DEBUG and (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")


def celery_variables() -> dict[str, Any]:
    """Return the Celery settings that the environment sets, such as ``CELERY_TASK_TIME_LIMIT``, by their full names.

    Raises:
        ImproperlyConfigured: a value does not have the type that Celery gives the setting.
    """
    found: dict[str, Any] = {}
    for option_name, option in flatten(NAMESPACES):
        name = f"{CELERY_PREFIX}{option_name}".upper()
        if option.type in CELERY_TYPES and name in os.environ:
            try:
                found[name] = option.to_python(os.environ[name])
            except (TypeError, ValueError) as error:
                raise ImproperlyConfigured(f"{name}={os.environ[name]!r}: {option.type} expected") from error
    return found


def unknown_variables() -> list[str]:
    """Return the names of set variables with the shop's prefix that no part of the shop reads, sorted.

    Complete once the settings are loaded.
    """
    known = env.names | READ_ELSEWHERE
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
