from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    """Alerts, hosts, health, metrics and logs."""

    name = "seckill.monitoring"
    verbose_name = _("Monitoring")
