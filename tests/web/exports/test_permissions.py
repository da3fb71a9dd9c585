"""Exports over HTTP: who may request and see them."""

from uuid import uuid4

import pytest
from django.test import Client

from orders.models import Export
from seckill.accounts.models import User
from tests.web.exports.export import API, begun, content, finish, post, staff
from tests.web.responses import problem

pytestmark = pytest.mark.django_db(transaction=True)


def test_strangers_buyers_and_staff_who_may_not_see_orders_export_nothing() -> None:
    buyer = Client()
    buyer.force_login(User.objects.create_user("buyer"))
    for query in ("", "?async=1"):
        problem(post(Client(), query), 401, "not_logged_in")
        problem(post(buyer, query), 403, "forbidden")
        problem(post(staff("other clerk", "view_sale"), query), 403, "forbidden")
    assert not Export.objects.exists()


def test_a_buyer_with_the_permission_is_still_no_staff() -> None:
    browser = staff("clerk", "view_order")
    User.objects.update(is_staff=False)

    problem(post(browser), 403, "forbidden")


def test_other_peoples_exports_do_not_exist(browser: Client) -> None:
    export = finish(begun(browser))
    other, waiting = staff("another", "view_order"), begun(browser)

    for path in (f"{API}{export.pk}/", f"{API}{export.pk}/file", f"{API}{uuid4()}/", f"{API}1/"):
        problem(other.get(path), 404, "not_found")
    problem(other.delete(f"{API}{waiting.pk}/"), 404, "not_found")
    waiting.refresh_from_db()
    assert waiting.result == ""
    problem(Client().get(f"{API}{export.pk}/"), 401, "not_logged_in")


def test_superusers_see_all(browser: Client, admin_client: Client) -> None:
    export = finish(begun(browser))

    assert admin_client.get(f"{API}{export.pk}/").json()["state"] == "done"
    assert content(admin_client.get(f"{API}{export.pk}/file")).startswith(b"number,")


def test_an_export_is_asked_for_and_cancelled_from_our_own_pages_only(browser: Client) -> None:
    export = begun(browser)
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = browser.cookies

    problem(post(careful, "?async=1"), 403, "forbidden")
    problem(careful.delete(f"{API}{export.pk}/"), 403, "forbidden")
    export.refresh_from_db()
    assert export.result == ""
