"""Orders in the admin: find them, export them, cancel those that are to be paid. Nothing else may change the ledger."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth import get_user_model
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
from seckill.api.exports import ExportRequestSerializer, start_export
from seckill.backoffice.read_only import ReadOnlyAdmin

User = get_user_model()

COUNT_MAX = 10_000  #: orders counted, and so pages shown, at most: counting a million takes longer than finding one
CANCEL_MAX = 1_000  #: orders cancelled in one action
USERS_MAX = 1_000  #: users whose orders one search term finds
NUMBER_PREFIX_MIN = 4  #: characters of an order number that are enough to search by

USER_BUYER = re.compile(r"u([1-9][0-9]{0,17})")  # `seckill.api.authentication.buyer_of_user`
LOOKALIKES = str.maketrans("OIL", "011")  # what people make of 0 and 1 when a number is read out to them

SEARCH_LEFT_OUT = _("The export follows the filters, not the search.")
NOWRAP = '<span class="whitespace-nowrap">{}</span>'
STATUS_COLOURS = {
    Order.Status.PENDING.value: "warning",
    Order.Status.PAID.value: "success",
    Order.Status.CANCELLED.value: "default",
    Order.Status.EXPIRED.value: "default",
}


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts no further than `COUNT_MAX`, so that a page of a million orders costs what a page of few does."""

    template_name = "admin/orders/order/pagination.html"

    @cached_property
    def count(self) -> int:
        """How many orders there are, or `COUNT_MAX` if there are more."""
        return min(self._counted, COUNT_MAX)

    @property
    def is_capped(self) -> bool:
        """Whether there are more orders than were counted."""
        return self._counted > COUNT_MAX

    @cached_property
    def _counted(self) -> int:
        orders = self.object_list
        assert isinstance(orders, QuerySet)  # noqa: S101 (the admin gives nothing else)
        return orders.order_by().values("pk")[: COUNT_MAX + 1].count()


class OrderChangeList(ChangeList):
    """The list of orders; finds the users of a page in one query."""

    def get_results(self, request: HttpRequest) -> None:
        """The page, each order with its user's name."""
        super().get_results(request)
        orders: list[Order] = list(self.result_list)  # type: ignore[has-type]  # the base class is untyped
        usernames = _usernames(order.buyer for order in orders)
        for order in orders:
            vars(order)["username"] = usernames.get(order.buyer)
        self.result_list = orders
        self.full_result_count = self.result_count  # nothing was counted in full: say only how many were found


def _usernames(buyers: Iterable[str]) -> dict[str, str]:
    """The names of those buyers that are registered users."""
    ids = [int(match[1]) for match in map(USER_BUYER.fullmatch, buyers) if match]
    return {f"u{pk}": name for pk, name in User.objects.filter(pk__in=ids).values_list("pk", "username")}


class DayRangeFilter(RangeDateFilter):
    """From one day to another, both whole, in the site's time zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:  # noqa: ARG002 (Django's signature)
        """The orders of those days; a date that is none is left out."""
        return created_between(queryset, self._day("from"), self._day("to"))

    def _day(self, end: str) -> date | None:
        try:
            return parse_date(self.used_parameters.get(f"{self.field_path}_{end}") or "")
        except ValueError:
            return None


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders, which come from the line; an action cancels them."""

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
    sortable_by = ()  # by age, newest first, which is what the primary key's index gives
    search_fields = ("number", "buyer")  # makes the search box appear; `get_search_results` searches
    search_help_text = _("number, buyer or username")
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

    # --- What may be done

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Who has Django's permission to change orders."""
        return request.user.has_perm("orders.change_order")

    @admin.action(description=_("Cancel selected orders that are to be paid"), permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Give the units of pending orders back; the others stay as they are."""
        selected = queryset.count()
        cancelled = []
        for order in queryset.filter(status=Order.Status.PENDING).order_by("pk")[:CANCEL_MAX]:
            try:
                cancelled.append(cancel(order))
            except OrderDecidedError:
                continue  # paid or expired a moment ago; it is counted as not cancelled
        LogEntry.objects.log_actions(str(request.user.pk), cancelled, CHANGE, change_message=str(_("Cancelled.")))
        if cancelled:
            text = ngettext("%(count)d order was cancelled.", "%(count)d orders were cancelled.", len(cancelled))
            self.message_user(request, text % {"count": len(cancelled)}, messages.SUCCESS)
        if kept := selected - len(cancelled):
            text = ngettext(
                "%(count)d order was not cancelled: only orders to be paid can be.",
                "%(count)d orders were not cancelled: only orders to be paid can be.",
                kept,
            )
            self.message_user(request, text % {"count": kept}, messages.WARNING)

    # --- What is shown

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002, ANN401 (Django's signature)
        """The list that finds users."""
        return OrderChangeList

    @display(description=_("status"), label=STATUS_COLOURS)
    def status_label(self, order: Order) -> tuple[str, str]:
        """Coloured."""
        return order.status, order.get_status_display()

    @admin.display(description=_("number"))
    def number_label(self, order: Order) -> SafeString:
        """On one line."""
        return format_html(NOWRAP, order.number)

    @admin.display(description=_("price"))
    def amount(self, order: Order) -> SafeString:
        """With its currency."""
        return format_html(NOWRAP, f"{order.price} {order.currency}")

    @admin.display(description=_("user"))
    def user(self, order: Order) -> str | None:
        """The name of the registered user who bought; None for the holder of a pass."""
        found = vars(order)
        return found["username"] if "username" in found else _usernames([order.buyer]).get(order.buyer)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Orders that match every word: a number or its beginning, a buyer or its beginning, part of a username."""
        for word in search_term.split():
            buyers = [
                f"u{pk}"
                for pk in User.objects.filter(username__icontains=word)
                .order_by(Length("username"), "pk")  # the best match first, should there be more than we take
                .values_list("pk", flat=True)[: USERS_MAX + 1]
            ]
            if len(buyers) > USERS_MAX:
                text = _("“%(word)s” is part of more than %(count)d usernames: not all of their orders are shown.")
                self.message_user(request, text % {"word": word, "count": USERS_MAX}, messages.WARNING)
            found = Q(buyer__in=[*buyers[:USERS_MAX], word])
            if not USER_BUYER.fullmatch(word):  # who asks for u1 does not want u10
                found |= Q(buyer__startswith=word)
            if number := _number_prefix(word):
                found |= Q(number__startswith=number)
            queryset = queryset.filter(found)
        return queryset, False

    # --- Export

    def get_urls(self) -> list[URLPattern]:
        """With the address that the button above the list posts to."""
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/", view, name="orders_order_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Have the orders of the list's filters exported, and show how far it is."""
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
            self.message_user(request, _("Nothing was exported: these filters are not valid."), messages.ERROR)
            return HttpResponseRedirect(the_list)
        try:
            export = start_export(request.user, fields.validated_data)
        except TooManyExportsError:
            text = _("Nothing was exported: %(count)d of your exports are not finished.") % {"count": UNFINISHED_MAX}
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(the_list)
        if request.GET.get(SEARCH_VAR):
            self.message_user(request, SEARCH_LEFT_OUT, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:orders_export_change", args=[export.pk]))


def _number_prefix(word: str) -> str | None:
    """The word as an order number is written, or None if no number can begin so."""
    digits = word.upper().replace("-", "").translate(LOOKALIKES)
    if len(digits) < NUMBER_PREFIX_MIN or not set(digits) <= set(NUMBER_ALPHABET):
        return None
    return "-".join(filter(None, (digits[:4], digits[4:8], digits[8:])))
