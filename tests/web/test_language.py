"""The API and the admin use the browser's language; pages have theirs in the URL."""

import pytest
from django.test import Client

from seckill.accounts.models import User

pytestmark = pytest.mark.django_db

CHINESE = {"Accept-Language": "zh-hans"}


def test_a_chinese_browser_gets_chinese_error_messages(client: Client) -> None:
    User.objects.create_user("Zoe")
    again = {"username": "zoe", "password": "seven-copper-kettles"}

    answer = client.post("/api/auth/register", again, content_type="application/json", headers=CHINESE)

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert answer.json()["errors"] == {"username": ["该名称已被使用。"]}


def test_the_admin_is_chinese_for_a_chinese_browser_and_english_otherwise(client: Client) -> None:
    assert 'lang="zh-hans"' in client.get("/admin/login/", headers=CHINESE).content.decode()
    assert 'lang="en"' in client.get("/admin/login/").content.decode()


def test_a_page_is_in_the_language_of_its_address_whatever_the_browser_wants(client: Client) -> None:
    assert 'lang="en"' in client.get("/", headers=CHINESE).content.decode()
    assert 'lang="zh-hans"' in client.get("/zh-hans/", headers={"Accept-Language": "en"}).content.decode()


def test_a_cookie_that_no_answer_varies_on_changes_no_language(client: Client) -> None:
    client.cookies["django_language"] = "zh-hans"

    assert client.get("/api/sales/")["Content-Language"] == "en"
