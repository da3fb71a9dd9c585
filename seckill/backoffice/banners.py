"""Banners in the admin. A saved change is on the home page at once."""

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError
from unfold.admin import ModelAdmin

from seckill.backoffice.products import send_image, thumbnail
from seckill.catalog.banners import refresh_banners
from seckill.catalog.models import Banner

if TYPE_CHECKING:
    from django.forms import ModelForm


@admin.register(Banner)
class BannerAdmin(ModelAdmin):
    """Banners of the carousel. Every committed change replaces the cached list."""

    list_display = ("picture", "title", "sale", "position", "active")
    list_display_links = ("title",)
    list_editable = ("position", "active")
    list_filter = ("active",)
    list_select_related = ("sale__product",)
    list_per_page = 25
    search_fields = ("title", "subtitle")
    autocomplete_fields = ("sale",)

    @admin.display(description=_("image"))
    def picture(self, banner: Banner) -> SafeString:
        """Return a thumbnail of the image."""
        return thumbnail(banner.image, banner.title)

    def save_model(self, request: HttpRequest, obj: Banner, form: "ModelForm[Banner]", change: bool) -> None:  # noqa: FBT001 (Django's signature)
        """Save the banner. After the commit, refresh the cached list and send a new image to the hosts."""
        super().save_model(request, obj, form, change)
        if "image" in form.changed_data:
            send_image(obj.image)
        transaction.on_commit(partial(self._refresh, request))

    def delete_model(self, request: HttpRequest, obj: Banner) -> None:
        """Delete the banner. Refresh the cached list after the commit."""
        super().delete_model(request, obj)
        transaction.on_commit(partial(self._refresh, request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Banner]) -> None:
        """Delete the banners. Refresh the cached list after the commit."""
        super().delete_queryset(request, queryset)
        transaction.on_commit(partial(self._refresh, request))

    def _refresh(self, request: HttpRequest) -> None:
        try:
            refresh_banners()
        except (RedisError, ConnectionInterrupted):
            text = _(
                "The change is saved, but the cache is unavailable. The home page will show it when the cache is back."
            )
            self.message_user(request, text, messages.WARNING)
