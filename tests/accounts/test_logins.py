"""Logins: signed, cookie-safe for any name, bound to one session, valid for an hour."""

from collections.abc import Iterator
from string import ascii_letters, digits

import pytest
from msgspec.structs import replace
from pytest_django import Settings

from seckill.accounts import logins
from seckill.accounts.logins import TOKEN_CHARS_MAX, Login, login_id_of, read_login
from seckill.line.buyers import new_account_id
from seckill.line.passes import Pass
from seckill.line.signing import BadTokenError, Signer

ALPHABET = frozenset(ascii_letters + digits + "-_")
KEY = "0q8vb2m6x1d4c7z9a3s5f6g7h8j9k0l1"  # a session key, as Django makes them
NOW_MS = 1_764_000_000_000
LOGIN = Login(buyer="u17", login_id=login_id_of(KEY), auth_hash="m" * 16, issued_ms=NOW_MS, username="ann")
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def _fresh_signer() -> Iterator[None]:
    """The signer caches the settings; drop it before and after a test that changes the key."""
    logins._signer.cache_clear()
    yield
    logins._signer.cache_clear()


@pytest.mark.parametrize(
    "username",
    [
        "ann",
        "Ann.Smith+1@shop.example",
        "王小明",
        "Zoë",
        "🫖" * 150,
        "a" * 150,
        "two words",
        " ",
        "",
        'x"; Path=/',
        "a\r\nb",
    ],
)
def test_a_login_is_read_as_it_was_signed_whatever_the_name(username: str) -> None:
    login = replace(LOGIN, username=username)

    token = login.sign()

    assert Login.verify(token) == login
    assert set(token) <= ALPHABET
    assert len(token) <= TOKEN_CHARS_MAX


def test_the_longest_login_there_can_be_fits() -> None:
    login = Login(new_account_id(), login_id_of(KEY), "m" * 16, 99_999_999_999_999, "🫖" * 150)

    token = login.sign()

    assert len(token) == 912
    assert Login.verify(token) == login


def test_a_login_that_is_too_long_is_not_looked_at() -> None:
    token = replace(LOGIN, username="a" * 800).sign()

    assert len(token) > TOKEN_CHARS_MAX
    with pytest.raises(BadTokenError, match="too long"):
        Login.verify(token)


def test_one_character_changed_anywhere_makes_a_login_worthless() -> None:
    token = LOGIN.sign()
    for position, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        with pytest.raises(BadTokenError):
            Login.verify(token[:position] + other + token[position + 1 :])


def test_neither_a_pass_nor_a_text_signed_for_another_purpose_is_a_login() -> None:
    text = f"{LOGIN.buyer} {LOGIN.login_id} {LOGIN.auth_hash} {LOGIN.issued_ms} {LOGIN.username}"
    assert Signer("login").sign(text) == LOGIN.sign()

    for token in (Pass(7, "u17", 1, 2).sign(), Signer("ticket").sign(text), Signer("pass").sign(text), "", "票"):
        with pytest.raises(BadTokenError):
            Login.verify(token)
    with pytest.raises(BadTokenError):
        Pass.verify(LOGIN.sign())


def test_a_login_of_an_old_key_is_read_until_the_key_is_dropped(settings: Settings) -> None:
    token = LOGIN.sign()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = (
        "the-key-of-this-year-with-32-characters",
        [settings.SECRET_KEY],
    )
    logins._signer.cache_clear()
    assert Login.verify(token) == LOGIN

    settings.SECRET_KEY_FALLBACKS = []
    logins._signer.cache_clear()
    with pytest.raises(BadTokenError, match="not signed here"):
        Login.verify(token)


@pytest.mark.parametrize(
    ("age_ms", "fresh", "expired"),
    [
        (-60_001, False, True),  # of a clock that is wrong
        (-60_000, True, False),
        (0, True, False),
        (HOUR_MS // 2 - 1, True, False),
        (HOUR_MS // 2, False, False),
        (HOUR_MS - 1, False, False),
        (HOUR_MS, False, True),
        (100 * HOUR_MS, False, True),
    ],
)
def test_a_login_is_fresh_for_half_an_hour_and_good_for_one(age_ms: int, fresh: bool, expired: bool) -> None:
    now_ms = NOW_MS + age_ms

    assert (LOGIN.is_fresh(now_ms), LOGIN.is_expired(now_ms)) == (fresh, expired)


def test_the_setting_says_how_long(settings: Settings) -> None:
    settings.LOGIN_COOKIE_SECONDS = 10

    assert [LOGIN.is_fresh(NOW_MS + age_ms) for age_ms in (4_999, 5_000)] == [True, False]
    assert [LOGIN.is_expired(NOW_MS + age_ms) for age_ms in (9_999, 10_000)] == [False, True]


def test_a_login_belongs_to_its_session_alone() -> None:
    assert LOGIN.belongs_to(KEY)
    for other in (KEY[:-1], KEY[:-1] + "2", KEY.upper(), "", LOGIN.login_id):
        assert not LOGIN.belongs_to(other)


def test_the_name_of_a_session_is_short_always_the_same_and_not_its_key() -> None:
    names = {login_id_of(f"{KEY}{number}") for number in range(1000)}

    assert len(names) == 1000
    assert {len(name) for name in names} == {16}
    assert set("".join(names)) <= ALPHABET
    assert login_id_of(KEY) == LOGIN.login_id
    assert KEY not in LOGIN.login_id


@pytest.mark.parametrize(
    ("cookies", "found"),
    [
        ({}, False),
        ({"theme": "dark"}, True),
        ({"sessionid": None}, False),
        ({"buyer": None}, False),
        ({"sessionid": ""}, False),
        ({"sessionid": KEY[::-1]}, False),  # another user has logged in by now
        ({"buyer": ""}, False),
        ({"buyer": "forged"}, False),
        ({"buyer": replace(LOGIN, issued_ms=NOW_MS - HOUR_MS).sign()}, False),
        ({"buyer": replace(LOGIN, issued_ms=NOW_MS - HOUR_MS + 1).sign()}, True),
        ({"buyer": replace(LOGIN, issued_ms=NOW_MS + 60_001).sign()}, False),
    ],
    ids=lambda case: ", ".join(case) if isinstance(case, dict) else "",
)
def test_a_request_is_its_login_s_with_both_cookies_in_time(cookies: dict[str, str | None], found: bool) -> None:
    sent = {"sessionid": KEY, "buyer": LOGIN.sign(), **cookies} if cookies else {}

    login = read_login({name: value for name, value in sent.items() if value is not None}, NOW_MS)

    assert (login is not None) is found
    assert login is None or login.buyer == "u17"
