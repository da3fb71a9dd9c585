from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """The ledger: the truth about what was sold."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"
