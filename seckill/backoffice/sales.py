"""Sales in the admin: edit, open, pause, close and audit them, with live figures of their lines."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import Script
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from redis.exceptions import RedisError
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from orders.audit import run_audit
from orders.models import Audit
from orders.reconciliation import sync_sale_to_redis
from seckill.backoffice.alerts import open_alerts
from seckill.backoffice.audit_panel import AuditView
from seckill.backoffice.sale_panel import REACH_LABELS, STATE_LABELS, RedisStatus, SaleStats, load_stats
from seckill.catalog.models import Sale
from seckill.line.line import get_line
from seckill.line.state import State

if TYPE_CHECKING:
    from django.forms import ModelForm

STATE_COLOURS = {
    State.SCHEDULED.value: "info",
    State.OPEN.value: "success",
    State.SOLD_OUT.value: "primary",
    State.PAUSED.value: "warning",
    State.CLOSED.value: "default",
    RedisStatus.NOT_LOADED.value: "warning",
    RedisStatus.UNREACHABLE.value: "danger",
}


class SaleChangeList(ChangeList):
    """List of sales with the live figures of each line."""

    def get_results(self, request: HttpRequest) -> None:
        """Load the page and set ``live`` (`SaleStats`) on each sale."""
        super().get_results(request)
        sales: list[Sale] = list(self.result_list)  # type: ignore[has-type]  # the base class is untyped
        views = load_stats(get_line(), sales)
        for sale in sales:
            sale.live = views[sale.pk]  # type: ignore[attr-defined]  # of the list only
        self.result_list = sales


def _live(sale: Sale) -> SaleStats:
    live: SaleStats = sale.live  # type: ignore[attr-defined]  # set by `SaleChangeList`
    return live


def _shown(sale: Sale, name: Literal["remaining", "reserved", "admitted", "pointer"]) -> int | Promise:
    live = _live(sale)
    figure = live.figures()[name]
    return REACH_LABELS[live.reach] if figure is None else figure


@admin.register(Sale)
class SaleAdmin(ModelAdmin):
    """Sales. Changes are sent to the line after the commit.

    A sale can be closed but not deleted, because orders refer to it and buyers may be in its line. An ended sale can't
    be changed.
    """

    list_display = (
        "name",
        "state",
        "last_audit",
        "opens_at",
        "stock",
        "remaining",
        "reserved",
        "paid",
        "admitted",
        "pointer",
    )
    list_filter = ("status",)
    list_per_page = 25
    list_max_show_all = 25
    list_fullwidth = True
    ordering = ("-opens_at", "-id")
    search_fields = ("=id", "product__name")
    search_help_text = _("Search by product or sale number")
    autocomplete_fields = ("product",)
    fieldsets = (
        (None, {"fields": ("product", ("price", "currency"), "stock", "status")}),
        (_("Window"), {"fields": ("opens_at", "closes_at")}),
        (_("Limits"), {"fields": (("pay_within_seconds", "line_limit"),)}),
    )
    actions = ("open_sales", "pause_sales", "close_sales", "audit_sales")
    change_form_outer_before_template = "admin/catalog/sale/panels.html"

    class Media:
        js = (Script("admin/sale_live.js", type="module"),)

    # --- Display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sale]:
        """Load each sale with its product, which is part of its name, and its last audit."""
        sales: QuerySet[Sale] = super().get_queryset(request)
        return sales.select_related("product", "audit")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002, ANN401 (Django's signature)
        """Return `SaleChangeList`."""
        return SaleChangeList

    @admin.display(description=_("sale"), ordering="product__name")
    def name(self, sale: Sale) -> str:
        """Return product and number of the sale."""
        return str(sale)

    @display(description=_("state"), label=STATE_COLOURS)
    def state(self, sale: Sale) -> tuple[str, Promise]:
        """Return the state that buyers see, or the Redis status if there is no snapshot."""
        live = _live(sale)
        if live.snapshot is None:
            return live.reach.value, REACH_LABELS[live.reach]
        state = live.snapshot.state()
        return state.value, STATE_LABELS[state]

    @admin.display(description=_("audit"))
    def last_audit(self, sale: Sale) -> SafeString | None:
        """Return result and time of the last audit."""
        last = AuditView.of(sale)
        return render_to_string("admin/catalog/sale/audit_cell.html", {"last_audit": last}) if last else None

    @admin.display(description=_("remaining"))
    def remaining(self, sale: Sale) -> int | Promise:
        """Return the units left."""
        return _shown(sale, "remaining")

    @admin.display(description=_("reserved"))
    def reserved(self, sale: Sale) -> int | Promise:
        """Return the units in a reservation or in a pending order."""
        return _shown(sale, "reserved")

    @admin.display(description=_("paid"))
    def paid(self, sale: Sale) -> int:
        """Return the number of paid orders."""
        return _live(sale).paid

    @admin.display(description=_("admitted"))
    def admitted(self, sale: Sale) -> int | Promise:
        """Return the number of places issued."""
        return _shown(sale, "admitted")

    @admin.display(description=_("pointer"))
    def pointer(self, sale: Sale) -> int | Promise:
        """Return the pointer: every place up to it is decided or reserved."""
        return _shown(sale, "pointer")

    def get_urls(self) -> list[URLPattern]:
        """Add the route that the live panel polls."""
        view = self.admin_site.admin_view(self.live_view)
        return [path("<int:sale_id>/live/", view, name="catalog_sale_live"), *super().get_urls()]

    def live_view(self, request: HttpRequest, sale_id: int) -> JsonResponse:
        """Return the sale's figures as JSON."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        sale = Sale.objects.filter(pk=sale_id).first()
        if sale is None:
            raise Http404
        return JsonResponse(load_stats(get_line(), [sale])[sale.pk].figures())

    # --- Permissions and actions

    def has_change_permission(self, request: HttpRequest, obj: Sale | None = None) -> bool:
        """Return False for an ended sale, which is shown read-only."""
        return super().has_change_permission(request, obj) and (obj is None or obj.ended_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Sale | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Return False."""
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the change page with its panels. On POST, lock the sale's row before the form reads it.

        Settlement adds to ``sold`` under the same lock. So the values that the form is validated against can't change
        until it is saved, and saving never overwrites ``sold`` with an old value.
        """
        pk = unquote(object_id)
        response: HttpResponse
        if request.method == "POST" and pk.isdecimal() and self.has_change_permission(request):
            with transaction.atomic():
                sale = Sale.objects.select_for_update().filter(pk=pk).first()
                if sale and sale.ended_at:
                    self.message_user(request, _ended(sale), messages.ERROR)
                    return HttpResponseRedirect(request.path)
                response = super().change_view(request, object_id, form_url, extra_context)
        else:
            response = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            # The form's own instance may hold invalid input.
            sale = Sale.objects.select_related("audit").get(pk=pk)
            response.context_data["live"] = load_stats(get_line(), [sale])[sale.pk].figures()
            response.context_data["last_audit"] = AuditView.of(sale)
            response.context_data["alerts"] = open_alerts(sale)
        return response

    def save_model(self, request: HttpRequest, obj: Sale, form: "ModelForm[Sale]", change: bool) -> None:  # noqa: FBT001 (Django's signature)
        """Save the sale. After the commit, sync it to Redis."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(self._publish, request, [obj.pk]))

    @admin.action(description=_("Open selected sales"), permissions=["change"])
    def open_sales(self, request: HttpRequest, queryset: QuerySet[Sale]) -> None:
        """Admit buyers within the sale's window."""
        self._set_status(request, queryset, Sale.Status.OPEN)

    @admin.action(description=_("Pause selected sales"), permissions=["change"])
    def pause_sales(self, request: HttpRequest, queryset: QuerySet[Sale]) -> None:
        """Stop admitting buyers until the sale is opened again."""
        self._set_status(request, queryset, Sale.Status.PAUSED)

    @admin.action(description=_("Close selected sales"), permissions=["change"])
    def close_sales(self, request: HttpRequest, queryset: QuerySet[Sale]) -> None:
        """Stop admitting buyers."""
        self._set_status(request, queryset, Sale.Status.CLOSED)

    @admin.action(description=_("Audit now"), permissions=["change"])
    def audit_sales(self, request: HttpRequest, queryset: QuerySet[Sale]) -> None:
        """Compare line and ledger without repair. Stop at the first Redis error."""
        agree = 0
        for sale in queryset:
            try:
                last = AuditView(run_audit(get_line(), sale.pk, by=Audit.By.ADMIN))
            except RedisError:
                away = _("%(sale)s: Redis does not respond. The remaining sales were not audited.")
                self.message_user(request, away % {"sale": sale}, messages.ERROR)
                break
            if last.result is Audit.Result.AGREES:
                agree += 1
            else:
                self.message_user(request, f"{sale}: {last.label}. {last.meaning}", last.level)
        if agree:
            text = ngettext("%(n)d sale agrees with the ledger.", "%(n)d sales agree with the ledger.", agree)
            self.message_user(request, text % {"n": agree}, messages.SUCCESS)

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Sale], status: Sale.Status) -> None:
        with transaction.atomic():
            sales = list(queryset.select_for_update(of=("self",)).order_by("pk"))
            ended = [sale for sale in sales if sale.ended_at]
            changed = [sale for sale in sales if not sale.ended_at and sale.status != status]
            for sale in changed:
                sale.status = status
                sale.save(update_fields=["status"])
                self.log_change(request, sale, [{"changed": {"fields": ["status"]}}])
            transaction.on_commit(partial(self._publish, request, [sale.pk for sale in changed]))
            for sale in ended:
                self.message_user(request, _ended(sale), messages.ERROR)
            same = len(sales) - len(ended) - len(changed)
            if changed:
                text = ngettext("%(n)d sale is %(status)s now.", "%(n)d sales are %(status)s now.", len(changed))
                self.message_user(request, text % {"n": len(changed), "status": status.label}, messages.SUCCESS)
            if same:
                text = ngettext("%(n)d sale was %(status)s already.", "%(n)d sales were %(status)s already.", same)
                self.message_user(request, text % {"n": same, "status": status.label}, messages.INFO)

    def _publish(self, request: HttpRequest, sale_ids: Sequence[int]) -> None:
        """Sync the sales to Redis. Read the rows again, because another request may have changed them."""
        try:
            for sale in Sale.objects.filter(pk__in=sale_ids):
                sync_sale_to_redis(get_line(), sale)
        except RedisError:
            text = _("The change is saved, but Redis is unavailable. The line will use the change when Redis is back.")
            self.message_user(request, text, messages.WARNING)


def _ended(sale: Sale) -> str:
    when = date_format(localtime(sale.ended_at), "DATETIME_FORMAT")
    return _("%(sale)s ended (%(when)s) and can't be changed or reopened.") % {"sale": sale, "when": when}
