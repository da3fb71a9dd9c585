"""User names: every spelling of a name is one name, stored in one form, and looked up by its index."""

import re
import sys
import unicodedata

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from seckill.accounts.models import User
from seckill.accounts.usernames import normalize_username

INVALID = "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
LIGATURE = "\ufdfa"  # one character, of which normalising makes eighteen

SPELLINGS = [
    ("ann", "ann"),
    ("ANN", "ann"),
    ("\uff21\uff4e\uff4e", "ann"),  # full-width
    ("\ufb01ona", "fiona"),  # a ligature
    ("Stra\u00dfe", "strasse"),
    ("STRA\u1e9eE", "strasse"),
    ("\u212bbo", "\u00e5bo"),  # the sign for angstrom
    ("A\u030abo", "\u00e5bo"),  # a letter and a mark
    ("\u212aelvin", "kelvin"),
    ("\u03a3\u039f\u03a6\u039f\u03a3", "\u03c3\u03bf\u03c6\u03bf\u03c3"),  # a sigma at the end has its own small letter
    ("\u03c3\u03bf\u03c6\u03bf\u03c2", "\u03c3\u03bf\u03c6\u03bf\u03c3"),
    ("\u0130lker", "i\u0307lker"),
    ("\u738b\u5c0f\u660e", "\u738b\u5c0f\u660e"),
    ("\uff76\uff9e", "\u30ac"),  # half-width, two characters
    ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    ("Ann.Smith+1@Shop.Example", "ann.smith+1@shop.example"),
    ("\u2460\u2461", "12"),
]

REFUSED = {
    "nothing": "",
    "a space": "an n",
    "a space at the end": "ann ",
    "nothing but a wide space": "\u3000",
    "a line break": "ann\n",
    "NUL": "a\0nn",
    "an escape": "a\x1bnn",
    "a zero-width space": "a\u200bnn",
    "a zero-width joiner": "a\u200dnn",
    "a soft hyphen": "a\u00adnn",
    "a byte order mark": "\ufeffann",
    "right to left": "a\u202enn",
    "an isolated direction": "\u2067ann\u2069",
    "an Arabic letter mark": "ann\u061c",
    "a letter that is not displayed": "\u3164",
    "another": "ann\uffa0",
    "a mark that is not displayed": "a\u034fnn",
    "a variation selector": "ann\ufe0f",
    "a mark at the start": "\u0301ann",
    "a fraction": "\u00bd",
    "a teapot": "\U0001fad6",
    "half a pair": "a\ud800",
    "no character yet": "a\u0378",
    "private use": "a\ue000",
    "eighteen characters with spaces": LIGATURE,
    "a slash": "a/b",
}


def clean(typed: str) -> str:
    """Return the name as registration, the admin and createsuperuser clean it."""
    name: str = User._meta.get_field("username").clean(typed, None)
    return name


@pytest.mark.parametrize(("typed", "stored"), SPELLINGS)
def test_a_name_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert clean(typed) == stored
    assert clean(stored) == stored


def test_a_normalised_name_stays_as_it_is_whatever_its_characters() -> None:
    characters = [
        one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one) not in ("Cn", "Co", "Cs")
    ]
    assert len(characters) > 140_000

    changed = [one for one in characters if normalize_username(normalize_username(one)) != normalize_username(one)]

    assert changed == []


@pytest.mark.parametrize("typed", REFUSED.values(), ids=REFUSED.keys())
def test_a_name_with_other_characters_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(ValidationError) as refused:
        clean(typed)

    assert refused.value.messages == (["This field cannot be blank."] if typed == "" else [INVALID])


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("a" * 150, 150),
        ("a" * 151, None),
        ("\ufb03" * 50, 150),  # three letters each
        ("\ufb03" * 51, None),
        ("\u0130" * 75, 150),  # two characters each in lower case
        ("\u0130" * 76, None),
    ],
)
def test_a_name_has_150_characters_at_most_as_typed_and_as_stored(typed: str, length: int | None) -> None:
    if length is None:
        with pytest.raises(ValidationError, match="Ensure this value has at most 150 characters"):
            clean(typed)
    else:
        assert len(clean(typed)) == length


def test_a_long_text_is_not_normalised() -> None:
    text = LIGATURE * 151

    assert normalize_username(text) is text
    assert len(normalize_username(LIGATURE * 150)) == 18 * 150


@pytest.mark.django_db
@pytest.mark.parametrize("again", ["ann", "ANN", "\uff21\uff2e\uff2e"])
def test_the_database_has_a_name_once_however_it_is_written(again: str) -> None:
    first = User.objects.create_user("Ann")
    other = User.objects.create_user("ben")

    assert first.username == "ann"
    for write in (
        lambda: User(username=again).save(),
        lambda: User.objects.bulk_create([User(username=again)]),
        lambda: User.objects.filter(pk=other.pk).update(username=again),
        lambda: User.objects.create_user(again),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            write()
    assert list(User.objects.order_by("pk").values_list("username", flat=True)) == ["ann", "ben"]


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["ann", "Ann", "\uff41\uff2e\uff2e"])
def test_an_account_is_found_by_every_spelling(typed: str) -> None:
    ann = User.objects.create_user("ANN")

    assert User.objects.get_by_natural_key(typed) == ann
    assert User.objects.get(username=typed) == ann
    assert list(User.objects.filter(username__in=["ben", typed])) == [ann]


@pytest.mark.django_db
def test_a_look_up_uses_the_index() -> None:
    User.objects.bulk_create(User(username=f"Ann-{number}") for number in range(2000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")

    buyer = User.objects.get(username="ann-7").buyer_id
    for column, typed, stored in (("username", "ANN-7", "ann-7"), ("buyer_id", buyer, buyer)):
        plan = User.objects.filter(**{column: typed}).explain()
        if connection.vendor == "postgresql":
            assert re.match(rf"Index Scan using accounts_user_{column}_\w+ on accounts_user ", plan), plan
            assert f"Index Cond: (({column})::text = '{stored}'::text)" in plan
        else:
            assert f"({column}=?)" in plan
            assert "SEARCH accounts_user USING INDEX" in plan
