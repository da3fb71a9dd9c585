"""Sessions: the cache holds copies; whoever is logged in is decided by the database, whatever the cache does."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from devtools.embedded.ports import free_port
from seckill.accounts.sessions import SessionStore
from tests.web.conftest import LogIn

pytestmark = pytest.mark.django_db(transaction=True)


def who(browser: Client) -> int:
    """Return the status of "who am I", asked without the login cookie, so that Django reads the session."""
    browser.cookies.pop("buyer", None)
    return int(browser.get("/api/auth/me").status_code)


def key_of(browser: Client) -> str:
    return str(browser.cookies["sessionid"].value)


def copy_of(key: str) -> object:
    """Return the cache's copy of a session."""
    return cache.get(SessionStore.cache_key_prefix + key)


def take_the_cache_away(settings: Settings) -> None:
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{free_port()}/2"}}


def test_a_session_is_read_from_the_cache(log_in: LogIn, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ann = log_in("ann")

    with django_assert_num_queries(1):  # the account
        assert who(ann) == 200


def test_a_wiped_cache_logs_nobody_out(log_in: LogIn) -> None:
    ann = log_in("ann")

    cache.clear()

    assert who(ann) == 200
    assert copy_of(key_of(ann)) is not None


@pytest.mark.usefixtures("_cache_is_away")
def test_while_the_cache_is_away_sessions_come_from_the_database(client: Client) -> None:
    ann = SessionStore()
    ann["kettle"] = 7
    ann.save()

    assert SessionStore(ann.session_key)["kettle"] == 7
    assert SessionStore("of-nobody").load() == {}

    client.cookies["sessionid"] = str(ann.session_key)
    assert who(client) == 401


def test_the_cache_goes_away_and_nobody_is_logged_in_or_out(log_in: LogIn, settings: Settings) -> None:
    ann, ben = log_in("ann"), log_in("ben")
    ben_key = key_of(ben)
    take_the_cache_away(settings)

    assert who(ann) == 200
    assert ben.post("/api/auth/logout").status_code == 204
    ben.cookies["sessionid"] = ben_key
    assert who(ben) == 401


def test_a_copy_that_could_not_be_deleted_logs_nobody_in(log_in: LogIn, settings: Settings) -> None:
    ann = log_in("ann")
    key, there = key_of(ann), settings.CACHES
    take_the_cache_away(settings)
    assert ann.post("/api/auth/logout").status_code == 204

    settings.CACHES = there

    assert copy_of(key) is not None
    ann.cookies["sessionid"] = key
    assert who(ann) == 401
    assert Session.objects.count() == 0


def test_a_copy_written_after_the_session_was_ended_logs_nobody_in(log_in: LogIn) -> None:
    ann = log_in("ann")
    key = key_of(ann)
    copy = copy_of(key)
    assert ann.post("/api/auth/logout").status_code == 204

    cache.set(SessionStore.cache_key_prefix + key, copy)  # by a request that had read the row just before

    ann.cookies["sessionid"] = key
    assert who(ann) == 401


@pytest.mark.usefixtures("_redis_is_away")
def test_while_redis_is_away_no_copy_is_trusted(log_in: LogIn) -> None:
    ann = log_in("ann")
    key = key_of(ann)
    Session.objects.all().delete()

    assert copy_of(key) is not None
    assert who(ann) == 401


def test_a_copy_lives_for_a_minute_at_most(log_in: LogIn) -> None:
    key = key_of(log_in("ann"))

    assert 0 < cache.ttl(SessionStore.cache_key_prefix + key) <= 60  # type: ignore[attr-defined]  # django-redis


def test_logging_out_deletes_the_copy(log_in: LogIn) -> None:
    ann = log_in("ann")
    key = key_of(ann)
    assert SESSION_KEY in SessionStore(key)

    ann.post("/api/auth/logout")

    assert copy_of(key) is None
