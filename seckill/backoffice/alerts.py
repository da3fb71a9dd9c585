"""Alerts in the admin: what needs somebody, and what did."""

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
    """A sale's alerts that have not ended."""
    return Alert.objects.filter(subject=sale_subject(sale.pk), ended_at__isnull=True)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts, those that last first. They end when what they are about is over."""

    list_display = ("state", "kind", "subject", "detail", "since", "lasted")
    list_display_links = ("kind",)
    list_filter = ("kind",)
    list_per_page = 50
    list_fullwidth = True
    ordering = (F("ended_at").desc(nulls_first=True), "-since")
    search_fields = ("subject",)
    fields = ("kind", "subject", "detail", "since", "ended_at", "mailed_at")

    @display(description=_("state"), label={"ongoing": "danger", "over": "default"}, ordering="ended_at")
    def state(self, alert: Alert) -> tuple[str, Promise]:
        """Whether it lasts."""
        return ("over", _("over")) if alert.ended_at else ("ongoing", _("ongoing"))

    @admin.display(description=_("lasted"))
    def lasted(self, alert: Alert) -> str:
        """Until it ended, or until now."""
        seconds = int(((alert.ended_at or now()) - alert.since).total_seconds())
        return str(timedelta(seconds=seconds))
