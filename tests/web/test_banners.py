"""Banners: from the cache, filled once on a miss, at most seconds behind the database."""

import json
from threading import Event
from typing import Any, cast

import pytest
import redis
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from redis.lock import Lock

from celery_task.home_task import update_banner_list
from devtools.waiting import WAIT_SECONDS_MAX
from seckill.catalog import banners
from seckill.catalog.banners import BANNERS_KEY, LOCK_KEY, BannerList, read_banners
from seckill.catalog.models import Banner
from tests import servers
from tests.conftest import MakeSale
from tests.orders.crowd import at_once
from tests.web.responses import problem

RAW_LIST = "seckill:1:banners"
RAW_LOCK = "seckill:1:banners:filling"


@pytest.fixture
def kettles(db: None) -> Banner:  # noqa: ARG001 (banners need the database)
    return Banner.objects.create(title="Copper kettles", subtitle="One each", image="banners/kettles.png", position=2)


def listed(banner: Banner) -> dict[str, object]:
    """Return a banner as the API shows it."""
    return {
        "id": banner.pk,
        "title": banner.title,
        "subtitle": banner.subtitle,
        "image": f"https://shop.example/media/{banner.image.name}",
        "sale": banner.sale_id,
    }


def test_the_first_visitor_fills_the_cache_for_all_others(
    client: Client, kettles: Banner, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        first = client.get("/api/banners/")
    with django_assert_num_queries(0):
        second = client.get("/api/banners/")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json() == [listed(kettles)]
    assert (first["X-Cache"], first["Age"]) == ("miss", "0")
    assert second["X-Cache"] == "hit"
    assert (first["Cache-Control"], second["Cache-Control"]) == ("public, max-age=1", "public, max-age=1")


@pytest.mark.django_db
def test_the_age_says_how_old_the_list_is(client: Client) -> None:
    update_banner_list.run()
    entry = cache.get(BANNERS_KEY)
    cache.set(BANNERS_KEY, entry | {"built_at": entry["built_at"] - 7_000}, 60)

    answer = client.get("/api/banners/")

    assert (answer["X-Cache"], int(answer["Age"]) // 1000) == ("hit", 7)


@pytest.mark.django_db
def test_a_clock_that_ran_ahead_makes_no_negative_age(client: Client) -> None:
    update_banner_list.run()
    entry = cache.get(BANNERS_KEY)
    cache.set(BANNERS_KEY, entry | {"built_at": entry["built_at"] + 7_000}, 60)

    assert client.get("/api/banners/")["Age"] == "0"


def test_active_banners_are_shown_in_their_order(client: Client, kettles: Banner, make_sale: MakeSale) -> None:
    sale = make_sale()
    Banner.objects.create(title="Old hat", image="banners/hat.png", position=0, active=False)
    first = Banner.objects.create(title="Night lamps", image="banners/lamps.png", position=1, sale=sale)
    last = Banner.objects.create(title="Tea", image="banners/tea.png", position=2)

    shown = client.get("/api/banners/").json()

    assert shown == [listed(first), listed(kettles), listed(last)]
    assert [banner["sale"] for banner in shown] == [sale.pk, None, None]


@pytest.mark.django_db
def test_an_empty_list_is_cached_too(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert client.get("/api/banners/").json() == []

    with django_assert_num_queries(0):
        assert client.get("/api/banners/")["X-Cache"] == "hit"


def test_pictures_have_the_address_the_site_has_outside(client: Client, kettles: Banner, settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://kettles.example/shop"

    image = client.get("/api/banners/", headers={"Host": "127.0.0.1:8000"}).json()[0]["image"]

    assert image == "https://kettles.example/media/banners/kettles.png"
    settings.MEDIA_URL = "https://cdn.example/pictures/"
    Banner.objects.update(image="banners/kettles-2.png")
    assert banners.build_banners()[0]["image"] == "https://cdn.example/pictures/banners/kettles-2.png"
    assert kettles.image.name == "banners/kettles.png"


@time_machine.travel("2026-11-11T20:15:07Z", tick=False)
def test_what_sql_changed_is_shown_after_the_next_beat(client: Client, kettles: Banner) -> None:
    assert client.get("/api/banners/").json()[0]["title"] == "Copper kettles"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_banner SET title = %s WHERE id = %s", ["Brass kettles", kettles.pk])
    assert client.get("/api/banners/").json()[0]["title"] == "Copper kettles"  # from the cache

    update_banner_list.run()

    answer = client.get("/api/banners/")
    assert (answer["X-Cache"], answer["Age"], answer.json()[0]["title"]) == ("hit", "0", "Brass kettles")


def test_the_cache_holds_json_and_lets_go_after_a_minute(client: Client, kettles: Banner) -> None:
    client.get("/api/banners/")

    with redis.Redis.from_url(servers.valkey.url(2)) as raw:
        document = json.loads(raw.get(RAW_LIST))
        assert 0 < raw.ttl(RAW_LIST) <= 60
        assert raw.exists(RAW_LOCK) == 0
    assert list(document) == ["banners", "built_at"]
    assert document["banners"] == [listed(kettles)]


@pytest.mark.django_db
def test_a_list_that_came_while_a_visitor_looked_is_not_built_again(
    kettles: Banner, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    lock = cache.lock  # type: ignore[attr-defined]  # django-redis adds it

    def after_another_one_filled_it(*args: Any, **options: Any) -> Lock:
        banners.refresh_banners()
        return cast("Lock", lock(*args, **options))

    monkeypatch.setattr(cache, "lock", after_another_one_filled_it)

    with django_assert_num_queries(1):
        seen = read_banners()

    assert (seen.hit, seen.banners) == (True, [listed(kettles)])


@pytest.mark.django_db(transaction=True)
def test_of_sixteen_visitors_who_find_the_cache_empty_one_asks_the_database(
    kettles: Banner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banners, "LOCK_TTL_SECONDS", WAIT_SECONDS_MAX)  # that many threads need time to arrive
    with redis.Redis.from_url(servers.valkey.url(2), decode_responses=True) as raw:
        raw.config_resetstat()
        selects: list[str] = []
        tick = Event()

        def count_and_wait_for_the_crowd(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (Django's wrapper)
            if "catalog_banner" in sql:
                selects.append(sql)
                while raw.info("commandstats")["cmdstat_get"]["calls"] < 16:  # until all have found it empty
                    tick.wait(0.005)
            return execute(sql, params, many, context)

        def visit() -> BannerList:
            with connection.execute_wrapper(count_and_wait_for_the_crowd):
                return read_banners()

        seen = at_once([visit] * 16)

    assert len(selects) == 1
    assert sorted(found.hit for found in seen) == [False] + 15 * [True]
    assert [found.banners for found in seen] == 16 * [[listed(kettles)]]


def test_who_fills_the_cache_holds_others_up_for_five_seconds_at_most(kettles: Banner) -> None:
    """The lock expires by itself, so a process killed while filling the cache delays others only that long."""
    locked_for: list[int] = []

    def look_at_the_lock(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (Django's wrapper)
        with redis.Redis.from_url(servers.valkey.url(2)) as raw:
            locked_for.append(raw.ttl(RAW_LOCK))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look_at_the_lock):
        assert read_banners().banners == [listed(kettles)]

    assert len(locked_for) == 1
    assert 0 < locked_for[0] <= 5


def test_who_fills_for_longer_than_the_lock_lasts_does_not_release_the_next_one_s_lock(kettles: Banner) -> None:
    def take_the_lock_over(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 (Django's wrapper)
        cache.set(LOCK_KEY, "of another process", 60)  # the first lock is over meanwhile
        return execute(sql, params, many, context)

    with connection.execute_wrapper(take_the_lock_over):
        assert read_banners().banners == [listed(kettles)]

    assert cache.get(LOCK_KEY) == "of another process"


def test_after_the_lock_of_a_dead_filler_is_over_the_next_one_fills(kettles: Banner) -> None:
    cache.add(LOCK_KEY, 1, 1)  # one second of its lock was left when the process died

    found = read_banners()

    assert (found.hit, found.banners) == (False, [listed(kettles)])
    assert cache.get(BANNERS_KEY)["banners"] == [listed(kettles)]
    assert cache.get(LOCK_KEY) is None


def test_who_has_waited_long_enough_asks_the_database_alone(kettles: Banner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banners, "LOCK_TTL_SECONDS", 0)
    cache.add(LOCK_KEY, 1, None)  # a lock that does not expire

    found = read_banners()

    assert (found.hit, found.banners) == (False, [listed(kettles)])
    assert cache.get(BANNERS_KEY) is None  # only the lock's holder writes the list


def test_a_filler_that_fails_lets_the_next_one_try(kettles: Banner) -> None:
    def fail(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001 (Django's wrapper)
        raise ConnectionResetError("the ledger hung up")

    with connection.execute_wrapper(fail), pytest.raises(ConnectionResetError):
        read_banners()

    assert cache.get(LOCK_KEY) is None
    assert read_banners() == BannerList([listed(kettles)], 0, hit=False)  # type: ignore[list-item]  # a plain dict


@pytest.mark.usefixtures("_cache_is_away", "kettles")
def test_while_the_cache_is_away_the_database_is_spared(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/api/banners/")

    problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"
