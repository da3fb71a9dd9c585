from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Accounts, sessions and the login cookie that the gate reads."""

    name = "seckill.accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Connect the signals that revoke logins when an account changes."""
        from seckill.accounts.changes import connect_signals  # noqa: PLC0415 (models are not loaded before ready())

        connect_signals()
