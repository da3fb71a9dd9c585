"""The login cookie: revoked with the account."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from django.test import Client

from seckill.accounts import changes as account_changes
from seckill.accounts.changes import AccountKeepsChangingError, publish_auth_hash
from seckill.accounts.login_commands import set_auth_hash
from seckill.accounts.login_cookie import auth_hash_of
from seckill.accounts.logins import Login
from seckill.accounts.models import User
from seckill.line.command import Command
from seckill.line.line import Line
from tests.web.conftest import PASSWORD, LogIn
from tests.web.login_cookie.cookie import is_void, known, login_of, send
from tests.web.responses import problem

# Account changes are published on commit, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_password_ends_the_logins_of_before(log_in: LogIn, line: Line) -> None:
    ann, ben = login_of(log_in("ann")), login_of(log_in("ben"))
    user = User.objects.get(username="ann")
    user.set_password("seven-odd-lamps")
    user.save()

    assert (is_void(line, ann), is_void(line, ben)) == (True, False)
    again = Client()
    send(again, "login", username="ann", password="seven-odd-lamps")
    assert not is_void(line, login_of(again))


def test_who_changes_their_own_password_stays_logged_in_and_their_phone_does_not(
    client: Client, admin: User, line: Line
) -> None:
    phone = Client()
    for browser in (client, phone):
        send(browser, "login", username=admin.username, password=PASSWORD)
    before = login_of(client)

    answer = client.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": "seven-odd-lamps", "new_password2": "seven-odd-lamps"},
    )

    assert answer.status_code == 302
    now = login_of(client)
    assert now.belongs_to(client.cookies["sessionid"].value)
    assert [is_void(line, login) for login in (before, login_of(phone), now)] == [True, True, False]
    assert client.get("/api/auth/me").json() == {"username": "olga"}
    problem(phone.get("/api/auth/me"), 401, "not_logged_in")


def test_a_closed_account_has_no_valid_login_and_opened_again_it_has(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    user = User.objects.get()

    user.is_active = False
    user.save(update_fields=["is_active"])
    assert (is_void(line, ann), known(line)) == (True, {ann.buyer: ""})

    user.is_active = True
    user.save()
    assert not is_void(line, ann)  # its session is valid again, too


@pytest.mark.parametrize("how", ["one", "several"])
def test_a_deleted_account_has_no_valid_login(log_in: LogIn, line: Line, how: str) -> None:
    ann, ben = login_of(log_in("ann")), login_of(log_in("ben"))

    (User.objects.get(username="ann") if how == "one" else User.objects.filter(username="ann")).delete()

    assert (is_void(line, ann), is_void(line, ben)) == (True, False)


def test_a_new_name_ends_the_logins_that_tell_the_old_one(log_in: LogIn, line: Line) -> None:
    browser = log_in("ann")
    old = login_of(browser)
    user = User.objects.get()
    user.username = "annie"
    user.save()

    assert browser.get("/api/auth/me").json() == {"username": "annie"}

    assert (is_void(line, old), is_void(line, login_of(browser))) == (True, False)
    assert login_of(browser).username == "annie"


def test_what_else_changes_about_an_account_ends_nothing(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    assert known(line) == {}  # neither a new account nor a changed last_login is published
    user = User.objects.get()
    user.first_name = "Ann"
    user.is_staff = True
    user.save()
    user.save(update_fields=["email", "last_login"])

    assert not is_void(line, ann)


def test_a_change_that_is_taken_back_ends_nothing(log_in: LogIn, line: Line) -> None:
    ann = login_of(log_in("ann"))
    user = User.objects.get()

    with transaction.atomic():
        user.is_active = False
        user.save()
        assert known(line) == {}  # nor is a change before its commit
        transaction.set_rollback(True)

    assert known(line) == {}
    assert not is_void(line, ann)


def test_an_answer_that_was_under_way_while_the_password_changed_brings_a_void_one(log_in: LogIn, line: Line) -> None:
    log_in("ann")
    seen_before = User.objects.get()
    user = User.objects.get()
    user.set_password("seven-odd-lamps")
    user.save()

    assert is_void(line, Login(user.buyer_id, "some-login", auth_hash_of(seen_before), 9_999_999_999_999, "ann"))
    assert not is_void(line, Login(user.buyer_id, "some-login", auth_hash_of(user), 0, "ann"))


@contextmanager
def changing_meanwhile(monkeypatch: pytest.MonkeyPatch, line: Line, names: Iterator[str]) -> Iterator[list[str]]:
    """Let another change commit before the line publishes one; yield the auth hashes in published order."""
    told: list[str] = []

    class Meanwhile:
        def run(self, command: Command[int]) -> int:
            name = next(names, None)
            if name is not None:
                User.objects.update(username=name)
                line.run(set_auth_hash(str(command.args[0]), auth_hash_of(User.objects.get())))
            told.append(str(command.args[1]))
            return line.run(command)

    with monkeypatch.context() as patch:
        patch.setattr(account_changes, "get_line", Meanwhile)
        yield told


def test_of_two_changes_at_a_time_the_later_one_holds_though_it_was_told_first(
    log_in: LogIn, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in("ann")
    user = User.objects.get()
    first = auth_hash_of(user)

    with changing_meanwhile(monkeypatch, line, iter(["annie"])) as told:
        publish_auth_hash(user.buyer_id)

    last = auth_hash_of(User.objects.get())
    assert told == [first, last]
    assert known(line) == {user.buyer_id: last}


def test_an_account_that_never_rests_is_given_up(log_in: LogIn, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in("ann")
    user = User.objects.get()
    names = [f"ann-{number}" for number in range(9)]

    with (
        changing_meanwhile(monkeypatch, line, iter(names)) as told,
        pytest.raises(AccountKeepsChangingError, match=user.buyer_id),
    ):
        publish_auth_hash(user.buyer_id)

    assert len(told) == account_changes.ATTEMPTS_MAX == 5


@pytest.mark.usefixtures("_redis_is_away")
def test_while_redis_is_away_accounts_are_changed_all_the_same(log_in: LogIn, caplog: pytest.LogCaptureFixture) -> None:
    log_in("ann")
    user = User.objects.get()
    user.set_password("seven-odd-lamps")

    user.save()

    assert User.objects.get().check_password("seven-odd-lamps")
    assert [record.levelname for record in caplog.records if "auth_hash_not_published" in record.getMessage()] == [
        "ERROR"
    ]


def test_a_mark_tells_the_three_things_apart_that_matter(log_in: LogIn) -> None:
    log_in("ann")
    user = User.objects.get()
    marks = {auth_hash_of(user)}
    user.username = "annie"
    marks.add(auth_hash_of(user))
    user.password = "another"
    marks.add(auth_hash_of(user))
    user.email = "ann@shop.example"
    marks.add(auth_hash_of(user))

    assert {len(auth_hash) for auth_hash in marks} == {16}
    assert len(marks) == 3
    user.is_active = False
    assert auth_hash_of(user) == auth_hash_of(None) == ""
