"""`seckill.accounts.csrf` returns the same result as Django's CSRF check, without a Django request."""

from collections.abc import Iterable
from itertools import product
from tempfile import SpooledTemporaryFile

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.middleware.csrf import get_token
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework.authentication import CSRFCheck

from seckill.accounts.cookies import CHARS_MAX, COOKIES_MAX, read_cookies
from seckill.accounts.csrf import is_from_our_page


def masked(secret: str) -> str:
    """Return the secret masked, as in a form or in a cookie of Django before 4.0."""
    request = HttpRequest()
    request.META["CSRF_COOKIE"] = secret
    return get_token(request)


SECRET = "Kettle0123456789Kettle0123456789"
OTHER = "Teapot0123456789Teapot0123456789"
MASKED = masked(SECRET)
HOST = b"testserver"
OUR_PAGE = {b"host": HOST, b"x-csrftoken": SECRET.encode()}
COOKIE = {"csrftoken": SECRET}
OVER_TLS = {b"x-forwarded-proto": b"https"}


@pytest.fixture
def behind_tls(settings: Settings) -> Settings:
    """Configure a proxy that terminates TLS."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return settings


def django_says(headers: dict[bytes, bytes], cookies: dict[str, str], scheme: str = "http") -> bool:
    """Return whether Django accepts the request."""
    sent = [*headers.items(), (b"cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()).encode())]
    with SpooledTemporaryFile() as body:
        request = ASGIRequest(
            {
                "type": "http",
                "method": "POST",
                "path": "/api/sales/1/pass",
                "query_string": b"",
                "headers": sent,
                "scheme": scheme,
                "server": ("127.0.0.1", 8000),
            },
            body,
        )
        middleware = CSRFCheck(lambda _: HttpResponse())  # Django's check, as our API uses it
        middleware.process_request(request)
        return middleware.process_view(request, lambda _: HttpResponse(), (), {}) is None


def both_say(headers: dict[bytes, bytes], cookies: dict[str, str], scheme: str = "http") -> bool:
    """Return our result after comparing it with Django's."""
    ours = is_from_our_page(headers, cookies, scheme)
    assert ours is django_says(headers, cookies, scheme), (headers, cookies, scheme)
    return ours


# --- the token ------------------------------------------------------------------------------------------------------

TOKENS = [
    SECRET, MASKED, OTHER, masked(OTHER), masked(SECRET), "", "x", SECRET[:-1], SECRET + "x",
    MASKED[:-1], MASKED + "x", SECRET * 2, SECRET[:-1] + "!", SECRET[:-1] + " ", "é" * 32, "A" * 32, "a" * 64,
    SECRET.lower(),
]  # fmt: skip


def test_the_token_has_to_be_that_of_the_cookie_masked_or_not() -> None:
    passed = {
        (cookie, token)
        for cookie, token in product(TOKENS, TOKENS)
        if both_say({b"host": HOST, b"x-csrftoken": token.encode("latin-1")}, {"csrftoken": cookie})
    }

    ours = {SECRET, MASKED, TOKENS[4]}
    theirs = {OTHER, TOKENS[3]}
    assert set(product(ours, ours)) <= passed
    assert set(product(theirs, theirs)) <= passed
    assert not passed & (set(product(ours, theirs)) | set(product(theirs, ours)))
    assert {len(token) for pair in passed for token in pair} == {32, 64}


def test_without_cookie_or_without_header_nothing_passes() -> None:
    assert both_say(OUR_PAGE, COOKIE)
    assert not both_say(OUR_PAGE, {})
    assert not both_say(OUR_PAGE, {"csrf": SECRET})
    assert not both_say({b"host": HOST}, COOKIE)
    assert not both_say({b"host": HOST, b"x_csrftoken": SECRET.encode()}, COOKIE)


@given(cookie=st.text("aZ09!", min_size=30, max_size=66), token=st.text("aZ09!", min_size=30, max_size=66))
def test_whatever_the_tokens_are(cookie: str, token: str) -> None:
    both_say({b"host": HOST, b"x-csrftoken": token.encode()}, {"csrftoken": cookie})


# --- origin and referer ---------------------------------------------------------------------------------------------

ORIGINS: list[bytes | None] = [
    None, b"null", b"", b"http://testserver", b"https://testserver", b"http://testserver:80", b"http://testserver/",
    b"HTTP://TESTSERVER", b"http://testserver:8000", b"http://127.0.0.1:8000", b"http://evil.example",
    b"https://evil.example", b"http://testserver.evil.example", b"https://pay.example", b"http://pay.example",
    b"https://a.shops.example", b"https://shops.example", b"http://a.shops.example", b"https://evilshops.example",
    b"https://a.shops.example:444", b"https://b.ports.example:8443", b"https://b.ports.example", b"http://[",
    b"//testserver", b"https://\xe9.example",
]  # fmt: skip
REFERERS: list[bytes | None] = [
    None, b"", b"https://testserver/", b"https://testserver/sales/1/?a=b", b"https://testserver", b"http://testserver/",
    b"https://testserver:443/", b"https://testserver:8000/", b"https://evil.example/", b"https://testserver.evil.example/",
    b"https://pay.example/x", b"https://a.shops.example/", b"https://shops.example/", b"https://evilshops.example/",
    b"/sales/1/", b"https:///x", b"https://[", b"HTTPS://TESTSERVER/", b"https://\xe9.example/",
]  # fmt: skip
HOSTS = [
    b"testserver", b"testserver:8000", b"127.0.0.1", b"127.0.0.1:8000", b"TESTSERVER", b"testserver.", b"evil.example",
    b"testserver@evil.example", b"", b"[::1]", b"\xe9",
]  # fmt: skip
FORWARDED: list[bytes | None] = [None, b"https", b"http", b"https, http", b"http, https", b" https ", b"HTTPS", b""]
TRUSTED = [
    [],
    ["https://pay.example", "https://*.shops.example", "https://*.ports.example:8443", "http://*.plain.example"],
]


def every_request() -> Iterable[tuple[dict[bytes, bytes], str]]:
    """Yield every combination of headers and scheme."""
    for host, origin, referer, forwarded, scheme in product(HOSTS, ORIGINS, REFERERS, FORWARDED, ("http", "https")):
        if origin is not None and referer not in (None, b"https://evil.example/"):
            continue  # with an Origin Django does not check the Referer; one case shows that
        if forwarded not in (None, b"https") and (host != HOST or origin is not None):
            continue  # the proxy's header is read independently of the others
        named = {b"host": host, b"origin": origin, b"referer": referer, b"x-forwarded-proto": forwarded}
        yield {name: value for name, value in named.items() if value is not None}, scheme


@pytest.mark.parametrize("proxy", [None, ("HTTP_X_FORWARDED_PROTO", "https")], ids=["no proxy", "a proxy"])
@pytest.mark.parametrize("trusted", TRUSTED, ids=["trusting nobody", "trusting some"])
def test_whatever_the_request_says_of_where_it_comes_from(
    settings: Settings, trusted: list[str], proxy: tuple[str, str] | None
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = trusted
    settings.SECURE_PROXY_SSL_HEADER = proxy
    results = {True: 0, False: 0}

    for headers, scheme in every_request():
        results[both_say({b"x-csrftoken": SECRET.encode(), **headers}, COOKIE, scheme)] += 1

    assert min(results.values()) > 300, "these requests are all alike"


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),  # as curl sends it
        ({b"origin": b"http://testserver"}, True),
        ({b"origin": b"null"}, False),
        ({b"origin": b"http://evil.example"}, False),
        ({b"origin": b"https://testserver"}, False),
        ({b"origin": b"http://testserver", b"referer": b"https://evil.example/"}, True),
        ({b"host": b"evil.example"}, True),  # nothing is compared with it; ALLOWED_HOSTS refuses it elsewhere
        ({b"host": b"evil.example", b"origin": b"http://evil.example"}, False),
    ],
)
def test_in_plain_http(headers: dict[bytes, bytes], passes: bool) -> None:
    assert both_say(OUR_PAGE | headers, COOKIE) is passes


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, False),  # without an Origin a Referer is required
        ({b"referer": b"https://testserver/sales/1/"}, True),
        ({b"referer": b"http://testserver/sales/1/"}, False),
        ({b"referer": b"https://evil.example/"}, False),
        ({b"referer": b"https://testserver/", b"origin": b"https://evil.example"}, False),
        ({b"origin": b"https://testserver"}, True),
        ({b"origin": b"http://testserver"}, False),
        ({b"origin": b"null"}, False),
    ],
)
@pytest.mark.usefixtures("behind_tls")
def test_over_tls(headers: dict[bytes, bytes], passes: bool) -> None:
    assert both_say(OUR_PAGE | OVER_TLS | headers, COOKIE) is passes
    assert both_say(OUR_PAGE | headers, COOKIE, "https") is passes


def test_without_a_proxy_nobody_is_believed_to_be_one() -> None:
    assert both_say(OUR_PAGE | OVER_TLS, COOKIE)


def test_a_request_without_host_never_passes_where_django_would_look_further() -> None:
    """Django falls back to the server's address. A client without Host is no browser and is left to Django."""
    no_host = {b"x-csrftoken": SECRET.encode(), b"origin": b"http://127.0.0.1:8000"}

    assert (is_from_our_page(no_host, COOKIE, "http"), django_says(no_host, COOKIE)) == (False, True)


def test_the_settings_that_the_rule_takes_for_granted(settings: Settings) -> None:
    assert (settings.CSRF_COOKIE_NAME, settings.CSRF_HEADER_NAME) == ("csrftoken", "HTTP_X_CSRFTOKEN")
    assert (settings.CSRF_USE_SESSIONS, settings.CSRF_COOKIE_DOMAIN) == (False, None)
    assert (settings.USE_X_FORWARDED_HOST, settings.USE_X_FORWARDED_PORT) == (False, False)


# --- the cookies ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=60) | st.text('ab=;" \\\t,', max_size=40).map(str.encode))
def test_cookies_are_read_as_django_reads_them(header: bytes) -> None:
    assert read_cookies(header) == ({} if b'"' in header else parse_cookie(header.decode("latin-1")))


def test_quoted_cookies_are_for_django_to_read() -> None:
    assert read_cookies(b'sessionid=a; theme="x"') == {}


def test_of_two_cookies_with_one_name_the_last_counts() -> None:
    assert read_cookies(b"buyer=1; sessionid=a; buyer=2; sessionid = b ") == {"buyer": "2", "sessionid": "b"}


def test_an_absurd_header_has_no_cookies() -> None:
    most = b"; ".join(b"c%d=1" % number for number in range(COOKIES_MAX))
    assert len(read_cookies(most)) == COOKIES_MAX == 100
    assert read_cookies(most + b"; d=1") == {}

    longest = b"c=" + b"x" * (CHARS_MAX - 2)
    assert read_cookies(longest) == {"c": "x" * 8190}
    assert read_cookies(longest + b"x") == {}
