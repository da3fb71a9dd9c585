"""The admin: banners and the cached list."""

from io import BytesIO

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from seckill.catalog.banners import BANNERS_KEY
from seckill.catalog.models import Banner
from tests.web.admin.shop import said

pytestmark = pytest.mark.django_db(transaction=True)  # on_commit callbacks must run


def picture() -> SimpleUploadedFile:
    """A small JPEG."""
    buffer = BytesIO()
    Image.new("RGB", (30, 10), "teal").save(buffer, "JPEG")
    return SimpleUploadedFile("teal.jpg", buffer.getvalue(), "image/jpeg")


def cached_titles() -> list[str] | None:
    """Return the titles in the cached banner list; None = the list is not cached."""
    cached = cache.get(BANNERS_KEY)
    return cached and [banner["title"] for banner in cached["banners"]]


def test_a_banner_is_in_the_cached_list_as_soon_as_it_is_saved_and_no_longer_than_it_exists(
    admin_client: Client,
) -> None:
    form = {"title": "Kettles!", "subtitle": "", "image": picture(), "sale": "", "position": "3", "active": "on"}
    said(admin_client.post(reverse("admin:catalog_banner_add"), form, follow=True))
    assert cached_titles() == ["Kettles!"]
    banner = Banner.objects.get()
    page = admin_client.get(reverse("admin:catalog_banner_changelist"))
    assert f'<img src="{banner.image.url}"' in page.content.decode()

    change = {"title": "Pots!", "subtitle": "", "sale": "", "position": "3", "active": "on"}
    said(admin_client.post(reverse("admin:catalog_banner_change", args=[banner.pk]), change, follow=True))
    assert cached_titles() == ["Pots!"]

    said(admin_client.post(reverse("admin:catalog_banner_delete", args=[banner.pk]), {"post": "yes"}, follow=True))
    assert cached_titles() == []


def test_banners_are_hidden_and_deleted_from_the_list(admin_client: Client) -> None:
    banners = [Banner.objects.create(title=title, image="lost.jpg") for title in ("one", "two", "three")]
    rows = {
        "form-TOTAL_FORMS": "3",
        "form-INITIAL_FORMS": "3",
        **{f"form-{index}-id": banner.pk for index, banner in enumerate(banners)},
        **{f"form-{index}-position": index for index in range(3)},
        "form-1-active": "on",
        "form-2-active": "on",
        "_save": "Save",
    }
    said(admin_client.post(reverse("admin:catalog_banner_changelist"), rows, follow=True))
    assert cached_titles() == ["two", "three"]
    url = reverse("admin:catalog_banner_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [banners[2].pk], "post": "yes"}
    said(admin_client.post(url, chosen, follow=True))
    assert cached_titles() == ["two"]


@pytest.mark.usefixtures("redis_away")
def test_a_banner_is_saved_while_the_cache_is_away(admin_client: Client) -> None:
    form = {"title": "Kettles!", "subtitle": "", "image": picture(), "sale": "", "position": "3", "active": "on"}
    messages = said(admin_client.post(reverse("admin:catalog_banner_add"), form, follow=True))
    assert (
        "The change is saved, but the cache is unavailable. The home page will show it when the cache is back."
        in messages
    )
    assert Banner.objects.count() == 1
