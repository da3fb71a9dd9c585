"""Exports in the admin: progress, files and cancelling. The list of orders has the button that starts an export."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.decorators import display

from celery_task.export_task import cancel_export
from orders.models import Export, Order
from seckill.api.export_state import STATE_LABELS, ExportState, recorded_state, state_of
from seckill.api.exports import exports_of
from seckill.backoffice.read_only import ReadOnlyAdmin

STATE_COLOURS = {
    ExportState.QUEUED.value: "default",
    ExportState.STARTED.value: "info",
    ExportState.PROGRESS.value: "info",
    ExportState.DONE.value: "success",
    ExportState.FAILED.value: "danger",
    ExportState.CANCELLED.value: "default",
}


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """The user's own exports, or all for a superuser."""

    list_display = ("requested_at", "requested_by", "orders", "progress", "state", "file")
    list_per_page = 25
    list_fullwidth = True
    list_select_related = ("sale__product", "requested_by")
    sortable_by = ()
    ordering = ("-requested_at",)
    actions = ("cancel_exports",)
    fields = (("requested_at", "requested_by"), "orders", "ended_at")
    readonly_fields = ("orders",)
    change_form_outer_before_template = "admin/orders/export/panel.html"

    class Media:
        js = (Script("admin/export_progress.js", type="module"),)

    # --- Permissions and actions

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may view orders."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Export | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Return whether the user may view orders. `get_queryset` selects the exports."""
        return request.user.has_perm("orders.view_order")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        """Return the exports that the user may see."""
        exports: QuerySet[Export] = super().get_queryset(request)
        return exports & exports_of(request.user)

    @admin.action(description=_("Cancel selected exports"), permissions=["view"])
    def cancel_exports(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Cancel the selected exports that have not ended."""
        cancelled = sum(cancel_export(export) for export in queryset)
        if cancelled:
            text = ngettext("%(count)d export was cancelled.", "%(count)d exports were cancelled.", cancelled)
            self.message_user(request, text % {"count": cancelled}, messages.SUCCESS)
        if kept := len(queryset) - cancelled:
            text = ngettext("%(count)d export had already finished.", "%(count)d exports had already finished.", kept)
            self.message_user(request, text % {"count": kept}, messages.WARNING)

    # --- Display

    @admin.display(description=_("orders"))
    def orders(self, export: Export) -> str:
        """Return the filters in words: sale, statuses, days."""
        statuses = ", ".join(str(Order.Status(status).label) for status in export.statuses)
        first, last = (date_format(day) if day else "…" for day in (export.first_day, export.last_day))
        days = _("%(first)s to %(last)s") % {"first": first, "last": last}
        dated = export.first_day or export.last_day
        return " · ".join(filter(None, [str(export.sale or _("all sales")), statuses, days if dated else ""]))

    @admin.display(description=_("progress"))
    def progress(self, export: Export) -> SafeString:
        """Return a progress bar."""
        return render_to_string("admin/orders/export/bar.html", {"export": export})

    @display(description=_("state"), label=STATE_COLOURS)
    def state(self, export: Export) -> tuple[str, Promise]:
        """Return state and label from the row alone: the list makes no query to the result backend per export."""
        state = recorded_state(export)
        return state.value, STATE_LABELS[state]

    @admin.display(description=_("file"))
    def file(self, export: Export) -> SafeString | None:
        """Return a link to the file, or None until the export is done."""
        if export.result != Export.Result.DONE:
            return None
        return render_to_string("admin/orders/export/file.html", {"export": export})

    def get_urls(self) -> list[URLPattern]:
        """Add the route that the panel's cancel button posts to."""
        view = self.admin_site.admin_view(require_POST(self.cancel_view))
        return [path("<uuid:export_id>/cancel/", view, name="orders_export_cancel"), *super().get_urls()]

    def cancel_view(self, request: HttpRequest, export_id: str) -> HttpResponse:
        """Cancel an export and redirect to its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        cancel_export(get_object_or_404(self.get_queryset(request), pk=export_id))
        return HttpResponseRedirect(reverse("admin:orders_export_change", args=[export_id]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the context of the progress panel."""
        response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            export: Export = response.context_data["original"]
            state = state_of(export)
            response.context_data |= {
                "export": export,
                "state_label": STATE_LABELS[state],
                "state_colour": STATE_COLOURS[state.value],
                "state_labels": STATE_LABELS.items(),
            }
        return response
