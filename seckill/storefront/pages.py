"""HTML pages. They are the same for every visitor, so any cache may store them; scripts load the rest from the API.

Texts that scripts show are translated here and passed to the page as JSON. Static texts are in the templates.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse, translate_url
from django.utils.cache import patch_cache_control
from django.utils.functional import Promise
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from seckill.catalog.models import Sale

CACHE_SECONDS = 60

#: A text, or its plural forms by CLDR category (``one``, ``other`` …; a language uses only its own categories).
Text = Promise | Mapping[str, Promise]

COMMON_TEXT: dict[str, Text] = {
    "days": {"one": _("{count} day {rest}"), "other": _("{count} days {rest}")},
    "minutes": {"one": _("{count} minute"), "other": _("{count} minutes")},
    "seconds": {"one": _("{count} second"), "other": _("{count} seconds")},
    "connection_lost": _("Connection lost. Retrying automatically."),
    "unavailable": _("The shop is temporarily unavailable. Retrying automatically."),
    "throttled": _("The shop is very busy. Retrying in {wait}."),
    "failed": _("Something went wrong. Please try again."),
}
SALE_TEXT: dict[str, Text] = {
    "state_scheduled": _("Opens soon"),
    "state_open": _("Open now"),
    "state_sold_out": _("Sold out"),
    "state_paused": _("Paused"),
    "state_closed": _("Ended"),
    "left": {"one": _("{count} of {stock} left"), "other": _("{count} of {stock} left")},
    "none_left": _("All {stock} taken"),
    "opens_in": _("Opens in {time}"),
    "opens_at": _("Opens {time}"),
    "closes_at": _("Open until {time}"),
    "closed_at": _("Closed {time}"),
}
BUY_TEXT: dict[str, Text] = {
    "pay_within_fact": _("If you get one, you have {time} to pay"),
    "buy": _("Buy now"),
    "log_in_to_buy": _("Log in to buy"),
    "log_in_before": _("Log in"),
    "join_waitlist": _("Join the waitlist"),
    "see_place": _("See your place"),
    "pay_now": _("Pay now"),
    "see_order": _("See your order"),
    "see_outcome": _("See the result"),
    "sold_out": _("Sold out"),
    "paused": _("Paused"),
    "closed": _("The sale has ended"),
    "hint_log_in": _("Log in to join the line."),
    "hint_log_in_before": _("Log in before the sale opens, so that you can buy with one tap."),
    "hint_ready": _("You are logged in. One tap puts you in line."),
    "hint_waitlist": _("All units are taken. Units that are not paid for go to the waitlist, in order."),
    "hint_paused": _("The shop has paused this sale. If you are in line, your place is kept."),
    "hint_in_line": _("You are at place {place} in line."),
    "hint_waitlisted": _("You are number {place} on the waitlist."),
    "hint_confirmed": _("One is reserved for you. Pay by {time}."),
    "hint_paid": _("You bought one. Thank you."),
    "hint_released": _("Your unit went to the next person in line."),
    "hint_sold_out": _("All units are sold."),
    "title_in_line": _("Place {place} in line"),
    "title_waitlisted": _("Waitlist {place}"),
    "title_confirmed": _("It's yours"),
}
LINE_TEXT: dict[str, Text] = {
    "ahead": {"one": _("{count} person ahead of you"), "other": _("{count} people ahead of you")},
    "next": _("You are next"),
    "wait_unknown": _("Not known yet"),
    "wait_moment": _("Any moment now"),
    "announce_in_line": _("You are at place {place} in line. {ahead}."),
    "announce_ahead": _("{ahead}."),
    "announce_waitlisted": _("You are number {place} on the waitlist."),
    "place_kept_lost": _("Connection lost. Your place is kept. Retrying automatically."),
    "place_kept_unavailable": _("The line is being restored. Your place is kept. Retrying automatically."),
    "sold_out_at": _("The last unit was sold at {time}. You were not charged."),
    "sold_out_now": _("The last unit has been sold. You were not charged."),
    "released_expired": _("Not paid in time"),
    "released_expired_why": _(
        "You did not pay in time, so the unit went to the next person in line. You were not charged."
    ),
    "released_cancelled": _("Order cancelled"),
    "released_cancelled_why": _(
        "This order was cancelled, and the unit went to the next person in line. You were not charged."
    ),
    "refused_not_open": _("Not open yet"),
    "refused_not_open_why": _("The opening time has changed. The countdown shows the new time."),
    "refused_closed": _("The sale has ended"),
    "refused_closed_why": _("You can no longer join this sale. What you bought is under “My orders”."),
    "refused_paused": _("The sale is paused"),
    "refused_paused_why": _("You can buy again when the shop resumes the sale."),
    "refused_not_found": _("Ticket not found"),
    "refused_not_found_why": _("This ticket is no longer valid. You can join the line again."),
    "refused_other": _("Something went wrong"),
    "refused_other_why": _("The shop did not accept the request. Please try again."),
}
ORDER_TEXT: dict[str, Text] = {
    "status_pending": _("Awaiting payment"),
    "status_paid": _("Paid"),
    "status_cancelled": _("Cancelled"),
    "status_expired": _("Expired"),
    "pay": _("Pay {price}"),
    "pay_within": _("{time} left to pay"),
    "too_late": _("This order can no longer be paid or cancelled."),
}
ACCOUNT_TEXT: dict[str, Text] = {
    "bad_credentials": _("Wrong user name or password."),
    "missing": _("This field is required."),
}


def security_policy() -> str:
    """Return the Content-Security-Policy of pages: no inline code, and no other origins except those of pictures."""
    origins = {
        f"{address.scheme}://{address.netloc}"
        for address in (urlsplit(settings.PUBLIC_BASE_URL), urlsplit(settings.MEDIA_URL))
        if address.netloc
    }
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["img-src", "'self'", *sorted(origins)]),
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def page(
    request: HttpRequest, template: str, text: Mapping[str, Text], *, sale: Sale | None = None, **facts: object
) -> HttpResponse:
    """Return a cacheable page. Its scripts get ``text``, ``facts`` and the language's home address as JSON."""
    response = render(
        request,
        f"shop/{template}",
        {
            "sale": sale,
            "page": {"home": reverse("home"), "text": {**COMMON_TEXT, **text}, **facts},
            "other_languages": [
                {**get_language_info(code), "address": translate_url(request.get_full_path(), code)}
                for code, _name in settings.LANGUAGES
                if code != get_language()
            ],
        },
    )
    response["Content-Security-Policy"] = security_policy()
    patch_cache_control(response, public=True, max_age=CACHE_SECONDS)
    return response


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Home page: banners and sales."""
    return page(request, "home.html", SALE_TEXT)


@require_safe
def sale(request: HttpRequest, sale_id: int) -> HttpResponse:
    """Sale page: countdown, purchase, place in line, outcome. 404 if the sale does not exist."""
    shown = get_object_or_404(Sale.objects.select_related("product"), pk=sale_id)
    text = {**SALE_TEXT, **BUY_TEXT, **LINE_TEXT, **ORDER_TEXT}
    return page(request, "sale.html", text, sale=shown, sale_id=sale_id)


@require_safe
def login(request: HttpRequest) -> HttpResponse:
    """Login page. ``?next=`` is the page to open afterwards."""
    return page(request, "login.html", ACCOUNT_TEXT)


@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """Registration page. ``?next=`` as for `login`."""
    return page(request, "register.html", ACCOUNT_TEXT)


@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """Page of the visitor's orders, newest first."""
    return page(request, "orders.html", ORDER_TEXT)


@require_safe
def order(request: HttpRequest, number: str) -> HttpResponse:
    """Order page. Only the API checks whether the order exists and belongs to the visitor."""
    return page(request, "order.html", ORDER_TEXT, number=number)


urlpatterns = [
    path("", home, name="home"),
    path("sales/<int:sale_id>/", sale, name="sale"),
    path("login/", login, name="login"),
    path("register/", register, name="register"),
    path("orders/", orders, name="orders"),
    path("orders/<str:number>/", order, name="order"),
]
