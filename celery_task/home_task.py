"""Home page task."""

from celery import shared_task

from seckill.catalog.banners import refresh_banners


@shared_task
def update_banner_list() -> None:
    """Write the banner list from the database to the cache (every 5 s)."""
    refresh_banners()
