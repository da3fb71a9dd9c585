"""Banner list: built from the database, served from the cache, normally at most 5 s old.

Refreshed by beat every 5 s, by the admin on commit, and by the first request that finds the cache empty.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urljoin

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import LockNotOwnedError

from seckill import conf
from seckill.catalog.models import Banner

BANNERS_KEY = "banners"
LOCK_KEY = "banners:filling"
TTL_SECONDS = conf.BANNERS_TTL_SECONDS
LOCK_TTL_SECONDS = 5  # bounds the wait for a process that dies while filling the cache
LOCK_POLL_SECONDS = 0.02


class BannerEntry(TypedDict):
    """A banner as the API returns it."""

    id: int
    title: str
    subtitle: str
    image: str  #: absolute URL
    sale: int | None


@dataclass(frozen=True, slots=True)
class BannerList:
    """The banner list, its age and its source."""

    banners: list[BannerEntry]
    age_seconds: int
    hit: bool  #: False if this call built the list


def build_banners() -> list[BannerEntry]:
    """Read the active banners from the database. Image URLs are absolute, without needing a request."""
    return [
        BannerEntry(
            id=banner.pk,
            title=banner.title,
            subtitle=banner.subtitle,
            image=urljoin(f"{settings.PUBLIC_BASE_URL}/", banner.image.url),
            sale=banner.sale_id,
        )
        for banner in Banner.objects.filter(active=True)
    ]


def refresh_banners() -> list[BannerEntry]:
    """Rebuild the list from the database and cache it."""
    banners = build_banners()
    cache.set(BANNERS_KEY, {"banners": banners, "built_at": time.time()}, TTL_SECONDS)
    return banners


def read_banners() -> BannerList:
    """Return the cached list. If the cache is empty, one caller fills it and the others wait.

    Raises:
        redis.RedisError: the cache can't be reached.
    """
    if (cached := _cached()) is not None:
        return cached
    lock = cache.lock(  # type: ignore[attr-defined]  # django-redis adds it
        LOCK_KEY, timeout=LOCK_TTL_SECONDS, sleep=LOCK_POLL_SECONDS, blocking_timeout=LOCK_TTL_SECONDS
    )
    if not lock.acquire():
        return BannerList(build_banners(), 0, hit=False)
    try:
        return _cached() or BannerList(refresh_banners(), 0, hit=False)  # another process may have filled it by now
    finally:
        with suppress(LockNotOwnedError):  # it took longer than the lock lasts, and another process may hold it
            lock.release()


def _cached() -> BannerList | None:
    cached = cache.get(BANNERS_KEY)
    if cached is None:
        return None
    return BannerList(cached["banners"], max(0, int(time.time() - cached["built_at"])), hit=True)
