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
    "connection_lost": _("Connection lost. Trying again by itself."),
    "unavailable": _("The shop can't answer for a moment. Trying again by itself."),
    "throttled": _("Very many people at once. Trying again in {wait}."),
    "failed": _("That didn't work. Try again in a moment."),
}
SALE_TEXT: dict[str, Text] = {
    "state_scheduled": _("Opens soon"),
    "state_open": _("Open now"),
    "state_sold_out": _("Sold out"),
    "state_paused": _("Paused"),
    "state_closed": _("Over"),
    "left": {"one": _("{count} of {stock} left"), "other": _("{count} of {stock} left")},
    "none_left": _("None of {stock} left"),
    "opens_in": _("Opens in {time}"),
    "opens_at": _("Opens {time}"),
    "closes_at": _("Open until {time}"),
    "closed_at": _("Closed {time}"),
}
BUY_TEXT: dict[str, Text] = {
    "pay_within_fact": _("Then you have {time} to pay"),
    "buy": _("Buy now"),
    "log_in_to_buy": _("Log in to buy"),
    "log_in_before": _("Log in first"),
    "join_waitlist": _("Join the waitlist"),
    "see_place": _("See your place"),
    "pay_now": _("Pay now"),
    "see_order": _("See your order"),
    "see_outcome": _("What happened?"),
    "sold_out": _("Sold out"),
    "paused": _("Paused"),
    "closed": _("The sale is over"),
    "hint_log_in": _("Only those who are logged in can join the line."),
    "hint_log_in_before": _("Log in before it opens: then buying is one tap."),
    "hint_ready": _("You are logged in and ready. One tap joins the line."),
    "hint_waitlist": _("Every unit is spoken for. Units that nobody pays for go to the waitlist, in order."),
    "hint_paused": _("The shop has paused this sale. Whoever is in line keeps their place."),
    "hint_in_line": _("You are in line at place {place}."),
    "hint_waitlisted": _("You are number {place} on the waitlist."),
    "hint_confirmed": _("One is yours until {time}."),
    "hint_paid": _("You bought one. Thank you."),
    "hint_released": _("You had one, and it went back to the line."),
    "hint_sold_out": _("Every unit is gone for good."),
    "title_in_line": _("Place {place} in line"),
    "title_waitlisted": _("Waitlist {place}"),
    "title_confirmed": _("It's yours"),
}
LINE_TEXT: dict[str, Text] = {
    "ahead": {"one": _("{count} person ahead of you"), "other": _("{count} people ahead of you")},
    "next": _("You are next"),
    "wait_unknown": _("No telling yet"),
    "wait_moment": _("A moment"),
    "announce_in_line": _("You are in line at place {place}. {ahead}."),
    "announce_ahead": _("{ahead}."),
    "announce_waitlisted": _("You are number {place} on the waitlist."),
    "place_kept_lost": _("Connection lost. Your place is kept; trying again by itself."),
    "place_kept_unavailable": _("The line is being restored. Your place is kept; trying again by itself."),
    "sold_out_at": _("The last unit went at {time}. You were not charged."),
    "sold_out_now": _("The last unit is gone. You were not charged."),
    "released_expired": _("Not paid in time"),
    "released_expired_why": _("The time to pay ran out, so this unit went to the next in line. You were not charged."),
    "released_cancelled": _("Given back"),
    "released_cancelled_why": _("You gave it back, and it went to the next in line. You were not charged."),
    "refused_not_open": _("Not open yet"),
    "refused_not_open_why": _("The opening was moved. The countdown shows the new time."),
    "refused_closed": _("The sale is over"),
    "refused_closed_why": _("It takes no more buyers. What you bought is among your orders."),
    "refused_paused": _("Paused for a moment"),
    "refused_paused_why": _("The shop has paused this sale. The button comes back when it goes on."),
    "refused_not_found": _("Ticket not known"),
    "refused_not_found_why": _("The shop does not know this ticket any more. You can join the line again."),
    "refused_other": _("That didn't work"),
    "refused_other_why": _("The shop did not accept the request. Try again in a moment."),
}
ORDER_TEXT: dict[str, Text] = {
    "status_pending": _("To be paid"),
    "status_paid": _("Paid"),
    "status_cancelled": _("Given back"),
    "status_expired": _("Expired"),
    "pay": _("Pay {price}"),
    "pay_within": _("{time} left to pay"),
    "too_late": _("Too late: this order is not waiting for payment any more."),
}
ACCOUNT_TEXT: dict[str, Text] = {
    "bad_credentials": _("User name and password do not match."),
    "missing": _("Fill this in."),
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
