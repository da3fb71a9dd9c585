"""Orders in the admin: find them, export them, cancel those that are to be paid. Nothing else may change the ledger."""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from io import StringIO
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import make_aware
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from import_export.admin import ExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, Format
from import_export.resources import ModelResource
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter, RangeDateFilter
from unfold.contrib.import_export.forms import ExportForm
from unfold.decorators import display
from unfold.views import ChangeList

from orders.models import NUMBER_ALPHABET, Order
from orders.payment import OrderDecidedError, cancel

User = get_user_model()

COUNT_MAX = 10_000  #: orders counted, and so pages shown, at most: counting a million takes longer than finding one
CANCEL_MAX = 1_000  #: orders cancelled in one action
USERS_MAX = 1_000  #: users whose orders one search term finds
NUMBER_PREFIX_MIN = 4  #: characters of an order number that are enough to search by
EXPORT_CHUNK = 2_000  #: orders read, and written, at a time

USER_BUYER = re.compile(r"u([1-9][0-9]{0,17})")  # `seckill.web.authentication.buyer_of_user`
MISREAD = str.maketrans("OIL", "011")  # what people make of 0 and 1 when a number is read out to them
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # OWASP, "CSV injection"

NOWRAP = '<span class="whitespace-nowrap">{}</span>'
STATUS_COLOURS = {
    Order.Status.PENDING.value: "warning",
    Order.Status.PAID.value: "success",
    Order.Status.CANCELLED.value: "default",
    Order.Status.EXPIRED.value: "default",
}
COLUMNS = (
    *("number", "sale", "product", "buyer", "place", "price", "currency", "status"),
    *("created_at", "pay_before", "decided_at", "released_at"),
)


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
        first, last = (self._day(end) for end in ("from", "to"))
        if first:
            queryset = queryset.filter(created_at__gte=_midnight(first))
        if last and last < date.max:
            queryset = queryset.filter(created_at__lt=_midnight(last + timedelta(days=1)))
        return queryset

    def _day(self, end: str) -> date | None:
        try:
            return parse_date(self.used_parameters.get(f"{self.field_path}_{end}") or "")
        except ValueError:
            return None


def _midnight(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.min))


class OrderResource(ModelResource):
    """An order as a row of the export."""

    sale = Field(attribute="sale_id", column_name="sale")
    product = Field(attribute="sale__product__name", column_name="product")
    place = Field(
        attribute="place", column_name="place"
    )  # plain: import-export would write numbers as the language does
    price = Field(attribute="price", column_name="price")

    class Meta:
        model = Order
        fields = COLUMNS
        export_order = COLUMNS
        widgets = {
            name: {"format": "%Y-%m-%dT%H:%M:%S%z"}
            for name in ("created_at", "pay_before", "decided_at", "released_at")
        }

    def rows(self, orders: QuerySet[Order]) -> Iterator[list[str]]:
        """The header, then a row for each order; no cell is one that a spreadsheet would take for a formula."""
        fields = self.get_export_fields()
        yield [str(field.column_name) for field in fields]
        for order in orders.iterator(chunk_size=EXPORT_CHUNK):
            yield [_harmless(field.export(order)) for field in fields]


def _harmless(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _csv(rows: Iterable[list[str]]) -> Iterator[str]:
    """CSV (RFC 4180) in pieces."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % EXPORT_CHUNK == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


@admin.register(Order)
class OrderAdmin(ExportMixin, ModelAdmin):
    """Orders, read-only but for the action that cancels."""

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
        ("decided_at", "released_at"),
    )
    readonly_fields = ("user",)

    resource_classes = (OrderResource,)
    export_form_class = ExportForm
    export_formats = (CSV,)

    # --- What may be done

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may: orders come from the line."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:  # noqa: ARG002 (Django's signature)
        """Nobody may."""
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Who has Django's permission to change orders."""
        return bool(super().has_change_permission(request))

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Who may see orders."""
        return bool(self.has_view_permission(request))

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

    def get_export_data(
        self,
        file_format: Format,
        request: HttpRequest,
        queryset: QuerySet[Order],
        **kwargs: Any,  # noqa: ANN401 (import-export's signature)
    ) -> Iterator[str]:
        """The file in pieces: a million rows held as objects would take a gigabyte."""
        del file_format, kwargs  # there is one format, and one resource
        if not self.has_export_permission(request):
            raise PermissionDenied
        return _csv(OrderResource().rows(queryset))


def _number_prefix(word: str) -> str | None:
    """The word as an order number is written, or None if no number can begin so."""
    digits = word.upper().replace("-", "").translate(MISREAD)
    if len(digits) < NUMBER_PREFIX_MIN or not set(digits) <= set(NUMBER_ALPHABET):
        return None
    return "-".join(filter(None, (digits[:4], digits[4:8], digits[8:])))
