"""Alerts in the admin: what needs somebody, and what did."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from orders.alerts import about
from orders.models import Alert
from seckill.models import Sale


def open_alerts(sale: Sale) -> QuerySet[Alert]:
    """A sale's alerts that have not ended."""
    return Alert.objects.filter(subject=about(sale.pk), ended_at__isnull=True)


@admin.register(Alert)
class AlertAdmin(ModelAdmin):
    """Alerts, read-only, those that last first."""

    list_display = ("state", "kind", "subject", "detail", "since", "lasted")
    list_display_links = ("kind",)
    list_filter = ("kind",)
    list_per_page = 50
    list_fullwidth = True
    ordering = (F("ended_at").desc(nulls_first=True), "-since")
    search_fields = ("subject",)
    fields = ("kind", "subject", "detail", "since", "ended_at", "told_at")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may: an alert ends when it is over."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may."""
        return False

    @display(description=_("state"), label={"ongoing": "danger", "over": "default"}, ordering="ended_at")
    def state(self, alert: Alert) -> tuple[str, Promise]:
        """Whether it lasts."""
        return ("over", _("over")) if alert.ended_at else ("ongoing", _("ongoing"))

    @admin.display(description=_("lasted"))
    def lasted(self, alert: Alert) -> str:
        """Until it ended, or until now."""
        seconds = int(((alert.ended_at or now()) - alert.since).total_seconds())
        return str(timedelta(seconds=seconds))
