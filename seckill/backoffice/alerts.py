"""Alerts in the admin: open and resolved ones."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import F, QuerySet
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from seckill.backoffice.read_only import ReadOnlyAdmin
from seckill.catalog.models import Sale
from seckill.monitoring.alerts import sale_subject
from seckill.monitoring.models import Alert


def open_alerts(sale: Sale) -> QuerySet[Alert]:
    """Return the open alerts of a sale."""
    return Alert.objects.filter(subject=sale_subject(sale.pk), resolved_at__isnull=True)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts, open ones first. The checks resolve them; the admin can't."""

    list_display = ("state", "kind", "subject", "detail", "started_at", "lasted")
    list_display_links = ("kind",)
    list_filter = ("kind",)
    list_per_page = 50
    list_fullwidth = True
    ordering = (F("resolved_at").desc(nulls_first=True), "-started_at")
    search_fields = ("subject",)
    fields = ("kind", "subject", "detail", "started_at", "resolved_at", "mailed_at")

    @display(description=_("state"), label={"ongoing": "danger", "over": "default"}, ordering="resolved_at")
    def state(self, alert: Alert) -> tuple[str, Promise]:
        """Return whether the alert is open (``ongoing``) or resolved (``over``), with its label."""
        return ("over", _("resolved")) if alert.resolved_at else ("ongoing", _("ongoing"))

    @admin.display(description=_("duration"))
    def lasted(self, alert: Alert) -> str:
        """Return the duration until the alert was resolved, or until now."""
        seconds = int(((alert.resolved_at or now()) - alert.started_at).total_seconds())
        return str(timedelta(seconds=seconds))
