from django.apps import AppConfig


class WebConfig(AppConfig):
    """Pages, JSON API and admin."""

    name = "seckill.web"
    label = "web"

    def ready(self) -> None:
        """Listen to accounts, whoever changes them."""
        from seckill.web.account_changes import watch_accounts  # noqa: PLC0415 (models exist now, and not before)

        watch_accounts()
