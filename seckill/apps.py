"""The project as a Django app: management commands, translations and system checks."""

from django.apps import AppConfig
from django.conf import settings


class SeckillConfig(AppConfig):
    """Prepares what the processes of a shop need and importing the settings must not do."""

    name = "seckill"

    def ready(self) -> None:
        """Register the system checks; create the directory for files written at run time."""
        from seckill import checks  # noqa: F401, PLC0415 (registers on import; needs loaded apps)

        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
