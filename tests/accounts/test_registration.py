"""Registration, log-in and createsuperuser compare names by one rule, also at once."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from devtools.waiting import WAIT_SECONDS_MAX
from seckill.accounts.models import User
from tests.accounts.test_accounts import send
from tests.web.conftest import PASSWORD, LogIn
from tests.web.responses import problem

SPELLINGS = ["ann", "Ann", "ANN", "\uff21\uff4e\uff4e", "\u3000ann "]
both_are_hashing = Barrier(2)


class MeetingHasher(MD5PasswordHasher):
    """Hashes a password when another one is to be hashed too: after both requests have found the name free."""

    def encode(self, password: str, salt: str) -> str:
        both_are_hashing.wait(WAIT_SECONDS_MAX)
        return super().encode(password, salt)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("names", [("Ann", "ann"), ("\uff41\uff4e\uff4e", "ann"), ("ann", "ann")])
def test_of_two_who_ask_for_a_name_at_once_one_gets_it(settings: Settings, names: tuple[str, str]) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.MeetingHasher"]

    def register(name: str) -> tuple[int, dict[str, object]]:
        try:
            answer = send(Client(), "register", username=name, password=PASSWORD)
            return answer.status_code, answer.json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=2) as threads:
        (first, document), (second, refusal) = sorted(threads.map(register, names), key=lambda answer: answer[0])

    assert (first, document) == (201, {"username": "ann"})
    assert (second, refusal["code"], refusal["errors"]) == (
        400,
        "invalid",
        {"username": ["This name is already in use."]},
    )
    assert list(User.objects.values_list("username", flat=True)) == ["ann"]


@pytest.mark.django_db
@pytest.mark.parametrize("typed", SPELLINGS)
def test_a_name_is_given_once_in_whatever_spelling(client: Client, log_in: LogIn, typed: str) -> None:
    log_in("Ann")

    document = problem(send(client, "register", username=typed, password=PASSWORD), 400, "invalid")

    assert document["errors"] == {"username": ["This name is already in use."]}
    assert User.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("typed", SPELLINGS)
def test_a_buyer_logs_in_by_any_spelling(client: Client, log_in: LogIn, typed: str) -> None:
    log_in("Ann")

    answer = send(client, "login", username=typed, password=PASSWORD)

    assert (answer.status_code, answer.json()) == (200, {"username": "ann"})
    assert client.get("/api/auth/me").json() == {"username": "ann"}


@pytest.mark.django_db
def test_no_request_compares_names_in_upper_case(client: Client, log_in: LogIn, admin_client: Client) -> None:
    log_in("Ann")
    form = {"username": "ANN", "usable_password": "true", "password1": "kettle-9-Pot", "password2": "kettle-9-Pot"}

    with CaptureQueriesContext(connection) as captured:
        send(client, "register", username="ANN", password=PASSWORD)
        send(client, "login", username="ANN", password=PASSWORD)
        page = admin_client.post("/admin/accounts/user/add/", form)

    assert page.context["errors"] == [["A user with that username already exists."]]
    assert [query["sql"] for query in captured if "UPPER(" in query["sql"]] == []
    assert User.objects.count() == 2  # ann and the admin


@pytest.mark.django_db
def test_createsuperuser_makes_no_second_ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    User.objects.create_user("ann")

    with pytest.raises(CommandError, match="That username is already taken"):
        call_command("createsuperuser", "--noinput", "--username", "\uff21NN")
    with pytest.raises(CommandError, match="Enter a valid username"):
        call_command("createsuperuser", "--noinput", "--username", "bo\u202ess")
    call_command("createsuperuser", "--noinput", "--username", "Boss", stdout=StringIO())

    assert list(User.objects.order_by("pk").values_list("username", "is_superuser")) == [("ann", False), ("boss", True)]
