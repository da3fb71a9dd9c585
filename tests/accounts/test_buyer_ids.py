"""Buyer ids: random, never given out again, and in a namespace that passes of other systems can't enter."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client

from seckill.accounts.models import User
from seckill.line.buyers import BUYER_RE, external_id, new_account_id
from seckill.line.line import Line
from tests.accounts.test_accounts import send
from tests.conftest import MakeSale
from tests.orders.crowd import sell
from tests.web.conftest import PASSWORD, LogIn
from tests.web.responses import bearer, problem


def test_ids_of_accounts_are_random_and_fit_the_line() -> None:
    ids = {new_account_id() for _ in range(10_000)}

    assert len(ids) == 10_000
    assert all(re.fullmatch(r"u:[A-Za-z0-9_-]{16}", one) and BUYER_RE.fullmatch(one) for one in ids)


@pytest.mark.parametrize("name", ["17", "u:17", "u:jv2Zr0c8fWq1XbLm", "x:1", "a" * 62])
def test_no_name_of_another_system_makes_the_id_of_an_account(name: str) -> None:
    assert external_id(name) == f"x:{name}"


@pytest.mark.parametrize("name", ["", "an n", "\u00e4", "a\n", "a" * 63])
def test_a_name_that_makes_no_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^not a buyer's name: "):
        external_id(name)


@pytest.mark.django_db
def test_after_a_restore_the_next_account_has_its_number_and_not_its_orders(
    client: Client, log_in: LogIn, make_sale: MakeSale, line: Line
) -> None:
    log_in("ann")
    lost = User.objects.get()
    order = sell(line, make_sale(stock=1), lost.buyer_id)[lost.buyer_id]
    User.objects.all().delete()  # the backup is older than the account
    new = User(pk=lost.pk, username="ben")
    new.set_password(PASSWORD)
    new.save()
    assert new.buyer_id != lost.buyer_id

    assert send(client, "login", username="ben", password=PASSWORD).status_code == 200

    assert client.get("/api/orders/").json() == []
    problem(client.post(f"/api/orders/{order.number}/pay"), 404, "not_found")


@pytest.mark.django_db
def test_a_session_of_the_lost_account_is_not_the_next_one_s(log_in: LogIn) -> None:
    browser = log_in("ann")
    lost = User.objects.get()
    User.objects.all().delete()
    new = User(pk=lost.pk, username="ann")
    new.set_password(PASSWORD)
    new.save()

    problem(browser.get("/api/auth/me"), 401, "not_logged_in")


@pytest.mark.django_db
def test_a_pass_of_another_system_shows_no_order_of_an_account(
    client: Client, log_in: LogIn, make_sale: MakeSale, line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in("ann")
    ann = User.objects.get().buyer_id
    sale = make_sale(stock=1)
    order = sell(line, sale, ann)[ann]
    prefixes = [ann, ann[:-1], "u:", "u"]
    for prefix in prefixes:
        call_command("issue_passes", str(sale.pk), "--prefix", prefix)
    passes = capsys.readouterr().out.split()
    assert len(passes) == len(prefixes)

    for one in passes:
        headers = {"Authorization": f"Bearer {one}"}
        assert client.get("/api/orders/", headers=headers).json() == []
        problem(client.get(f"/api/orders/{order.number}/", headers=headers), 404, "not_found")
    (own,) = client.get("/api/orders/", headers=bearer(sale, ann)).json()
    assert own["number"] == order.number


@pytest.mark.django_db
def test_the_admin_shows_the_account_behind_an_order(admin_client: Client, make_sale: MakeSale, line: Line) -> None:
    alice = User.objects.create_user("alice")
    sell(line, make_sale(stock=2), alice.buyer_id, external_id("b1"))

    page = admin_client.get("/admin/orders/order/")

    orders = page.context["cl"].result_list
    assert [(order.buyer, vars(order)["username"]) for order in orders] == [
        ("x:b1", None),
        (alice.buyer_id, "alice"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["alice", "\uff21\uff2c\uff29", "alice@shop.example", "SHOP.EXAMPLE", "buyer_id"])
def test_an_account_is_found_in_the_admin(admin_client: Client, word: str) -> None:
    alice = User.objects.create_user("alice", "alice@shop.example")
    User.objects.create_user("ben", "ben@elsewhere.example")
    word = alice.buyer_id if word == "buyer_id" else word

    page = admin_client.get("/admin/accounts/user/", {"q": word})

    assert [user.username for user in page.context["cl"].result_list] == ["alice"]


@pytest.mark.django_db
def test_the_admin_changes_contact_data_but_not_the_buyer_id(admin_client: Client) -> None:
    alice = User.objects.create_user("alice")
    form = {
        "username": "\uff21LICE", "buyer_id": "u:1", "email": "alice@shop.example", "phone": "+12125550123",
        "language": "zh-hans", "is_active": "on",
    }  # fmt: skip

    answer = admin_client.post(f"/admin/accounts/user/{alice.pk}/change/", form)

    assert answer.status_code == 302, answer.context["errors"]
    changed = User.objects.get(pk=alice.pk)
    assert (changed.username, changed.buyer_id) == ("alice", alice.buyer_id)
    assert (changed.email, changed.phone, changed.language) == ("alice@shop.example", "+12125550123", "zh-hans")


@pytest.mark.django_db
def test_several_accounts_may_have_one_address_and_one_number() -> None:
    for name in ("ann", "ben"):
        User.objects.create_user(name, "us@shop.example", phone="+12125550123")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("cleo", buyer_id=User.objects.get(username="ann").buyer_id)

    assert User.objects.filter(email="us@shop.example", phone="+12125550123").count() == 2


@pytest.mark.parametrize("phone", ["0151 2345678", "+0151234567", "+1", "+1234567890123456", "+1234567\n", "+12 34567"])
def test_a_phone_number_has_a_country_code_and_digits_only(phone: str) -> None:
    with pytest.raises(ValidationError) as refused:
        User(username="ann", password="x", phone=phone, language="tlh").clean_fields()

    assert sorted(refused.value.message_dict) == ["language", "phone"]
