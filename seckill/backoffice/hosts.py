"""Hosts in the admin: state and resources."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import BooleanField, Case, QuerySet, Value, When
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from celery_task.monitoring_task import HEARTBEAT_TIMEOUT_SECONDS
from seckill.backoffice.read_only import ReadOnlyAdmin
from seckill.monitoring.models import Host

COLOURS = {"reports": "success", "silent": "danger"}


@admin.register(Host)
class HostAdmin(ReadOnlyAdmin):
    """Hosts. A worker registers its host. A host is deleted after a week without a heartbeat."""

    list_display = ("name", "state", "last_seen_at", "load_per_core", "free_memory", "free_disk")
    list_display_links = None  # the list shows all fields
    list_per_page = 50
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        """Annotate ``is_silent``. The database's clock decides, because it also set ``last_seen_at``."""
        hosts: QuerySet[Host] = super().get_queryset(request)
        is_silent = When(last_seen_at__lt=Now() - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS), then=Value(value=True))
        return hosts.annotate(is_silent=Case(is_silent, default=Value(value=False), output_field=BooleanField()))

    @display(description=_("state"), label=COLOURS)
    def state(self, host: Host) -> tuple[str, Promise]:
        """Return whether the last heartbeat is recent (``reports``) or not (``silent``), with its label."""
        is_silent: bool = host.is_silent  # type: ignore[attr-defined]  # annotated above
        return ("silent", _("silent")) if is_silent else ("reports", _("online"))

    @admin.display(description=_("load per core"), ordering="load")
    def load_per_core(self, host: Host) -> str | None:
        """Return the load per core with two decimals, or None."""
        return None if host.load is None else number_format(host.load, 2)

    @admin.display(description=_("free memory"), ordering="memory_free_mib")
    def free_memory(self, host: Host) -> str | None:
        """Return the free memory in GiB, or None."""
        return _gib(host.memory_free_mib)

    @admin.display(description=_("free disk"), ordering="disk_free_mib")
    def free_disk(self, host: Host) -> str | None:
        """Return the free disk space in GiB, or None."""
        return _gib(host.disk_free_mib)


def _gib(mib: int | None) -> str | None:
    return None if mib is None else f"{number_format(mib / 1024, 1)} GiB"
