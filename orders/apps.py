from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    """The ledger: the authoritative record of what was sold."""

    name = "orders"
    verbose_name = _("Ledger")
    default_auto_field = "django.db.models.BigAutoField"
