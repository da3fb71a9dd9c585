"""Home page tasks."""

from celery import shared_task

from seckill.catalog.banners import refresh_banners


@shared_task
def update_banner_list() -> None:
    """Every five seconds: write the banner list to the cache, so that it follows the database by itself."""
    refresh_banners()
