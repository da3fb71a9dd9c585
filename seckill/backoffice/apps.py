from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    """The admin."""

    name = "seckill.backoffice"
