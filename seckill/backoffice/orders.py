"""Orders in the admin: search, export, and cancel pending orders. The admin makes no other change to the ledger."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_date
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter, RangeDateFilter
from unfold.decorators import display
from unfold.views import ChangeList

from orders.export import UNFINISHED_MAX, TooManyExportsError, created_between
from orders.models import NUMBER_ALPHABET, Order
from orders.payment import OrderDecidedError, cancel
from seckill.accounts.models import User
from seckill.accounts.usernames import normalize_username
from seckill.api.exports import ExportRequestSerializer, start_export
from seckill.backoffice.read_only import ReadOnlyAdmin
from seckill.line.buyers import ACCOUNT

COUNT_MAX = 10_000  #: orders counted and paged through at most: counting a million orders is slow
CANCEL_MAX = 1_000  #: orders cancelled in one action at most
USERS_MAX = 1_000  #: users whose orders one search term finds at most
NUMBER_PREFIX_MIN = 4  #: characters of an order number needed to search by number

LOOKALIKES = str.maketrans("OIL", "011")  # letters that people write for 0 and 1 when a number is read out to them

SEARCH_LEFT_OUT = _("The export uses the filters, but not the search.")
NOWRAP = '<span class="whitespace-nowrap">{}</span>'
STATUS_COLOURS = {
    Order.Status.PENDING.value: "warning",
    Order.Status.PAID.value: "success",
    Order.Status.CANCELLED.value: "default",
    Order.Status.EXPIRED.value: "default",
}


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Paginator that counts no further than `COUNT_MAX`, so that a page costs the same among a million orders."""

    template_name = "admin/orders/order/pagination.html"

    @cached_property
    def count(self) -> int:
        """The number of orders, `COUNT_MAX` at most."""
        return min(self._counted, COUNT_MAX)

    @property
    def is_capped(self) -> bool:
        """Whether there are more than `COUNT_MAX` orders."""
        return self._counted > COUNT_MAX

    @cached_property
    def _counted(self) -> int:
        orders = self.object_list
        assert isinstance(orders, QuerySet)  # noqa: S101 (the admin always passes one)
        return orders.order_by().values("pk")[: COUNT_MAX + 1].count()


class OrderChangeList(ChangeList):
    """List of orders. Loads the usernames of a page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        """Load the page and set ``username`` on each order."""
        super().get_results(request)
        orders: list[Order] = list(self.result_list)  # type: ignore[has-type]  # the base class is untyped
        usernames = _usernames(order.buyer for order in orders)
        for order in orders:
            order.username = usernames.get(order.buyer)  # type: ignore[attr-defined]  # of the list only
        self.result_list = orders
        self.full_result_count = self.result_count  # no full count is made, so show only the number of results


def _usernames(buyers: Iterable[str]) -> dict[str, str]:
    """Return the usernames of the registered users among the buyers, by buyer."""
    accounts = [buyer for buyer in buyers if buyer.startswith(ACCOUNT)]
    return dict(User.objects.filter(buyer_id__in=accounts).values_list("buyer_id", "username"))


class DayRangeFilter(RangeDateFilter):
    """Range of days, both inclusive, in the site's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:  # noqa: ARG002 (Django's signature)
        """Return the orders of those days. An invalid date is ignored."""
        return created_between(queryset, self._day("from"), self._day("to"))

    def _day(self, end: str) -> date | None:
        try:
            return parse_date(self.used_parameters.get(f"{self.field_path}_{end}") or "")
        except ValueError:
            return None


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders. The line creates them; an action cancels pending ones."""

    list_display = (
        "number_label",
        "sale",
        "buyer",
        "user",
        "place",
        "amount",
        "status_label",
        "created_at",
        "pay_before",
    )
    list_filter = (
        ("sale", AutocompleteSelectFilter),
        ("status", ChoicesCheckboxFilter),
        ("created_at", DayRangeFilter),
    )
    list_filter_submit = True
    list_select_related = ("sale__product",)
    list_per_page = 50
    list_fullwidth = True
    list_disable_select_all = True
    show_facets = admin.ShowFacets.NEVER  # each facet would count a million orders
    show_full_result_count = False
    paginator = CappedPaginator
    list_before_template = "admin/orders/order/export.html"
    sortable_by = ()  # fixed order, newest first, which the index of the primary key serves
    search_fields = ("number", "buyer")  # only shows the search box: `get_search_results` does the search
    search_help_text = _("Search by order number, buyer or user name")
    actions = ("cancel_orders",)
    fields = (
        ("number", "status"),
        ("sale", "place"),
        ("buyer", "user"),
        ("price", "currency"),
        ("created_at", "pay_before"),
        ("status_changed_at", "released_at"),
    )
    readonly_fields = ("user",)

    # --- Permissions and actions

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Return whether the user has Django's permission to change orders."""
        return request.user.has_perm("orders.change_order")

    @admin.action(description=_("Cancel selected unpaid orders"), permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Cancel the pending orders among the selected ones, `CANCEL_MAX` at most."""
        selected = queryset.count()
        cancelled = []
        for order in queryset.filter(status=Order.Status.PENDING).order_by("pk")[:CANCEL_MAX]:
            try:
                cancelled.append(cancel(order))
            except OrderDecidedError:
                continue  # paid or expired since the query: counted as not cancelled
        LogEntry.objects.log_actions(str(request.user.pk), cancelled, CHANGE, change_message=str(_("Cancelled.")))
        if cancelled:
            text = ngettext("%(count)d order was cancelled.", "%(count)d orders were cancelled.", len(cancelled))
            self.message_user(request, text % {"count": len(cancelled)}, messages.SUCCESS)
        if kept := selected - len(cancelled):
            text = ngettext(
                "%(count)d order was not cancelled: only unpaid orders can be cancelled.",
                "%(count)d orders were not cancelled: only unpaid orders can be cancelled.",
                kept,
            )
            self.message_user(request, text % {"count": kept}, messages.WARNING)

    # --- Display

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002, ANN401 (Django's signature)
        """Return `OrderChangeList`."""
        return OrderChangeList

    @display(description=_("status"), label=STATUS_COLOURS)
    def status_label(self, order: Order) -> tuple[str, str]:
        """Return the status and its label, coloured."""
        return order.status, order.get_status_display()

    @admin.display(description=_("number"))
    def number_label(self, order: Order) -> SafeString:
        """Return the number, without line breaks."""
        return format_html(NOWRAP, order.number)

    @admin.display(description=_("price"))
    def amount(self, order: Order) -> SafeString:
        """Return the price with its currency, without line breaks."""
        return format_html(NOWRAP, f"{order.price} {order.currency}")

    @admin.display(description=_("user"))
    def user(self, order: Order) -> str | None:
        """Return the username of the buyer, or None if the buyer is not a registered user."""
        if hasattr(order, "username"):  # set by `OrderChangeList`
            username: str | None = order.username
            return username
        return _usernames([order.buyer]).get(order.buyer)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Return the orders that match every word: a prefix of the number or buyer, or a part of the username."""
        for word in search_term.split():
            buyers = list(
                User.objects.filter(username__contains=normalize_username(word))
                .order_by(Length("username"), "pk")  # best match first, if there are more than `USERS_MAX`
                .values_list("buyer_id", flat=True)[: USERS_MAX + 1]
            )
            if len(buyers) > USERS_MAX:
                text = _("More than %(count)d user names contain “%(word)s”; not all of their orders are shown.")
                self.message_user(request, text % {"word": word, "count": USERS_MAX}, messages.WARNING)
            found = Q(buyer__in=buyers[:USERS_MAX]) | Q(buyer__startswith=word)
            if number := _number_prefix(word):
                found |= Q(number__startswith=number)
            queryset = queryset.filter(found)
        return queryset, False

    # --- Export

    def get_urls(self) -> list[URLPattern]:
        """Add the route that the export button above the list posts to."""
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/", view, name="orders_order_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Start an export with the list's filters and redirect to its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        the_list = reverse("admin:orders_order_changelist", query=request.GET)
        fields = ExportRequestSerializer(
            data={
                "sale": request.GET.get("sale__id__exact") or None,
                "statuses": request.GET.getlist("status__exact"),
                "from": request.GET.get("created_at_from") or None,
                "to": request.GET.get("created_at_to") or None,
            }
        )
        if not fields.is_valid():
            self.message_user(request, _("Nothing was exported: the filters are invalid."), messages.ERROR)
            return HttpResponseRedirect(the_list)
        try:
            export = start_export(request.user, fields.validated_data)
        except TooManyExportsError:
            text = _("Nothing was exported: you already have %(count)d unfinished exports.") % {"count": UNFINISHED_MAX}
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(the_list)
        if request.GET.get(SEARCH_VAR):
            self.message_user(request, SEARCH_LEFT_OUT, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:orders_export_change", args=[export.pk]))


def _number_prefix(word: str) -> str | None:
    """Return the word in the format of an order number, or None if no number starts with it."""
    digits = word.upper().replace("-", "").translate(LOOKALIKES)
    if len(digits) < NUMBER_PREFIX_MIN or not set(digits) <= set(NUMBER_ALPHABET):
        return None
    return "-".join(filter(None, (digits[:4], digits[4:8], digits[8:])))
