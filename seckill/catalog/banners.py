"""The banner list: built from the database, served from the cache, never more than a few seconds apart.

Three things write it: beat every five seconds, the admin on commit, and the first request that finds the cache empty.
"""

import time
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urljoin

from django.conf import settings
from django.core.cache import cache

from seckill.catalog.models import Banner

BANNERS_KEY = "banners"
LOCK_KEY = "banners:filling"
TTL_SECONDS = 60  # beat renews the list every 5 s; if beat is dead it is rebuilt on demand after this long
LOCK_TTL_SECONDS = 5  # a process that fills the cache and dies holds others up for no longer
LOCK_POLL_SECONDS = 0.02


class BannerEntry(TypedDict):
    """One banner as the API shows it."""

    id: int
    title: str
    subtitle: str
    image: str  #: absolute URL
    sale: int | None


@dataclass(frozen=True, slots=True)
class BannerList:
    """What was served, and where it came from."""

    banners: list[BannerEntry]
    age_seconds: int
    hit: bool  #: False when this call had to build it


def build_banners() -> list[BannerEntry]:
    """The active banners, from the database. Image addresses are absolute without any request at hand."""
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
    """Replace the cached list by what the database says now."""
    banners = build_banners()
    cache.set(BANNERS_KEY, {"banners": banners, "built_at": time.time()}, TTL_SECONDS)
    return banners


def read_banners() -> BannerList:
    """The banner list, from the cache. When it is empty one caller fills it; the others wait for that one."""
    give_up_at = time.monotonic() + LOCK_TTL_SECONDS
    while True:
        cached = cache.get(BANNERS_KEY)
        if cached is not None:
            return BannerList(cached["banners"], max(0, int(time.time() - cached["built_at"])), hit=True)
        if cache.add(LOCK_KEY, 1, LOCK_TTL_SECONDS):
            try:
                if cache.get(BANNERS_KEY) is None:  # another process may have filled it since the first look
                    return BannerList(refresh_banners(), 0, hit=False)
            finally:
                cache.delete(LOCK_KEY)
            continue
        if time.monotonic() > give_up_at:
            return BannerList(build_banners(), 0, hit=False)
        time.sleep(LOCK_POLL_SECONDS)
