"""Signing, passes and tickets: strings that only this site can make."""

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from string import ascii_letters, digits

import pytest
from pytest_django.fixtures import Settings

from seckill.line import passes, tickets
from seckill.line.passes import Pass
from seckill.line.signing import TOKEN_CHARS_MAX, BadTokenError, Signer
from seckill.line.tickets import Ticket

ALPHABET = ascii_letters + digits + "-_"
PASS = Pass(sale_id=7, buyer="olga@example.org", not_before_ms=1_764_000_000_000, expires_ms=1_764_003_600_000)
TICKET = Ticket(sale_id=7, place=4821, buyer="olga@example.org", epoch=3)


def read_keys_again() -> None:
    """Clear caches as a new process would: keys are read from the settings once, and verified tickets are cached."""
    for module in (passes, tickets):
        module._signer.cache_clear()
    tickets._verified.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_signers() -> Iterator[None]:
    """Clear the caches before and after a test that changes the keys."""
    read_keys_again()
    yield
    read_keys_again()


def test_a_pass_and_a_ticket_are_read_as_they_were_signed() -> None:
    assert Pass.verify(PASS.sign()) == PASS
    assert Ticket.verify(TICKET.sign()) == TICKET


def test_the_same_place_always_has_the_same_ticket() -> None:
    assert TICKET.sign() == Ticket(7, 4821, "olga@example.org", 3).sign()
    assert len({Ticket(7, 4821, "olga@example.org", epoch).sign() for epoch in (1, 2, 3)}) == 3


def test_a_token_fits_into_an_address_as_it_is() -> None:
    for number in range(200):
        assert set(Ticket(7, number, f"buyer.{number}", 1).sign()) <= set(ALPHABET)


@pytest.mark.parametrize("position", range(len(PASS.buyer) + 60))
def test_one_character_changed_anywhere_makes_a_pass_worthless(position: int) -> None:
    token = PASS.sign()
    position %= len(token)
    for letter in (ALPHABET[(ALPHABET.index(token[position]) + step) % 64] for step in (1, 2, 32)):
        forged = token[:position] + letter + token[position + 1 :]
        with pytest.raises(BadTokenError):
            Pass.verify(forged)


def test_one_character_changed_anywhere_makes_a_ticket_worthless() -> None:
    token = TICKET.sign()
    refused = 0
    for position, letter in enumerate(token):
        for other in ALPHABET:
            if other != letter:
                with pytest.raises(BadTokenError):
                    Ticket.verify(token[:position] + other + token[position + 1 :])
                refused += 1

    assert refused == 63 * len(token)


def test_a_truncated_or_lengthened_token_is_worthless() -> None:
    token = TICKET.sign()
    for length in range(len(token)):
        with pytest.raises(BadTokenError):
            Ticket.verify(token[:length])
    for more in ("A", "=", "AA", "AAAA", " ", "\n"):
        with pytest.raises(BadTokenError):
            Ticket.verify(token + more)


def test_a_ticket_is_no_pass_and_a_pass_is_no_ticket() -> None:
    with pytest.raises(BadTokenError, match="not signed here"):
        Pass.verify(TICKET.sign())
    with pytest.raises(BadTokenError, match="not signed here"):
        Ticket.verify(PASS.sign())


def test_the_same_text_signed_for_another_purpose_is_refused() -> None:
    token = Signer("ticket").sign("7 1 olga 1")

    assert Signer("ticket").verify(token) == "7 1 olga 1"
    for purpose in ("pass", "Ticket", "ticket ", ""):
        with pytest.raises(BadTokenError, match="not signed here"):
            Signer(purpose).verify(token)


def test_a_token_has_one_spelling_only() -> None:
    """Characters that base64 skips, padding, the other alphabet and stray last bits must not make a second spelling."""
    signer = Signer("ticket")
    token = signer.sign("7 1 olga 1 ~~~ ???")
    while not ("-" in token and "_" in token and len(token) % 4 == 2):
        token = signer.sign(signer.verify(token) + "x")
    stray = token[:-1] + ALPHABET_IN_ORDER[ALPHABET_IN_ORDER.index(token[-1]) + 1]
    assert urlsafe_b64decode(stray + "==") == urlsafe_b64decode(token + "==")  # the exact bytes that were signed

    for spelling in (
        stray,
        token + "==",
        token.replace("-", "+"),
        token.replace("_", "/"),
        f"{token[:5]}\n{token[5:]}",
        f"{token[:5]}!{token[5:]}",
        f" {token}",
    ):
        with pytest.raises(BadTokenError):
            signer.verify(spelling)
    assert signer.verify(token).startswith("7 1 olga 1 ~~~ ???")


ALPHABET_IN_ORDER = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("token", ["", "A", "AAAA", "A" * 22, "=", "....", "tïcket", "票", "\udc80", "\0", "%41"])
def test_what_is_no_token_is_refused_without_a_fuss(token: str) -> None:
    with pytest.raises(BadTokenError):
        Ticket.verify(token)
    with pytest.raises(BadTokenError):
        Pass.verify(token)


def test_a_token_that_is_too_long_is_refused_even_if_it_was_signed_here() -> None:
    signer = Signer("ticket")
    longest = signer.sign("x" * 176)
    assert len(longest) == TOKEN_CHARS_MAX == 256
    assert signer.verify(longest) == "x" * 176

    with pytest.raises(BadTokenError, match="too long"):
        signer.verify(signer.sign("x" * 177))


def test_the_longest_names_and_numbers_fit() -> None:
    huge = 2**63 - 1
    longest_pass = Pass(huge, "b" * 64, 99_999_999_999_999, 99_999_999_999_999)
    longest_ticket = Ticket(huge, huge, "b" * 64, huge)

    assert Pass.verify(longest_pass.sign()) == longest_pass
    assert Ticket.verify(longest_ticket.sign()) == longest_ticket


@pytest.mark.parametrize(
    "buyer", ["", "olga smith", "olga\n", "\nolga", "ol\0ga", "ölga", "olga,amir", "{olga}", "o" * 65, "7 1", "a/b"]
)
def test_an_impossible_buyer_gets_no_pass(buyer: str) -> None:
    with pytest.raises(ValueError, match="not a buyer's name"):
        Pass(7, buyer, 1, 2).sign()


@pytest.mark.parametrize("buyer", ["o", "o" * 64, "user:17", "Olga.Smith_1-2@shop.example"])
def test_a_possible_buyer_gets_a_pass(buyer: str) -> None:
    assert Pass.verify(Pass(7, buyer, 1, 2).sign()).buyer == buyer


def test_tokens_of_an_old_key_are_read_until_the_key_is_dropped(settings: Settings) -> None:
    settings.SECRET_KEY = "the-key-of-last-year-with-32-characters"
    old = TICKET.sign()

    settings.SECRET_KEY = "the-key-of-this-year-with-32-characters"
    settings.SECRET_KEY_FALLBACKS = ["some-other-key", "the-key-of-last-year-with-32-characters"]
    read_keys_again()
    new = TICKET.sign()
    assert new != old
    assert Ticket.verify(old) == TICKET
    assert Ticket.verify(new) == TICKET

    settings.SECRET_KEY_FALLBACKS = []
    read_keys_again()
    assert Ticket.verify(new) == TICKET
    with pytest.raises(BadTokenError, match="not signed here"):
        Ticket.verify(old)


def test_so_many_verified_tickets_are_kept_and_nothing_that_is_none() -> None:
    for token in ("", "forged", TICKET.sign()[:-1], TICKET.sign() + "=", "x" * 1000):
        with pytest.raises(BadTokenError):
            Ticket.verify(token)
    assert tickets._verified.cache_info().currsize == 0

    for place in range(1, tickets.VERIFIED_MAX + 2):
        assert Ticket.verify(Ticket(7, place, "olga", 1).sign()).place == place
    assert tickets._verified.cache_info().currsize == tickets.VERIFIED_MAX


def test_an_old_key_signs_nothing_any_more(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["the-key-of-last-year-with-32-characters"]
    with_fallback = TICKET.sign()
    read_keys_again()
    settings.SECRET_KEY_FALLBACKS = []

    assert TICKET.sign() == with_fallback


def test_another_site_s_key_makes_worthless_tokens(settings: Settings) -> None:
    settings.SECRET_KEY = "the-key-of-quite-another-shop-somewhere"
    foreign = TICKET.sign()
    settings.SECRET_KEY = "our-own-key-which-nobody-else-has-seen"
    read_keys_again()

    with pytest.raises(BadTokenError, match="not signed here"):
        Ticket.verify(foreign)
