"""Products in the admin, and the image helpers that products and banners share."""

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from celery_task.host_task import broadcast_picture
from seckill.catalog.models import Product

if TYPE_CHECKING:
    from django.forms import ModelForm


def thumbnail(image: FieldFile, alt: str) -> SafeString:
    """Return a small ``<img>``, or an empty string without an image. A missing file shows ``alt``."""
    if not image:
        return SafeString("")
    return format_html(
        '<img src="{}" alt="{}" class="h-10 max-w-40 object-cover rounded-default" loading="lazy">',
        image.url,
        alt,
    )


def send_image(image: FieldFile) -> None:
    """After the commit, make every web host write its local copy of a new image."""
    if image.name:
        transaction.on_commit(partial(broadcast_picture, image.name))


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    """Products. A product with sales can't be deleted, because orders refer to its sales."""

    list_display = ("picture", "name", "sale_count")
    list_display_links = ("name",)
    list_per_page = 25
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        """Annotate ``sale_count``."""
        products: QuerySet[Product] = super().get_queryset(request)
        return products.annotate(sale_count=Count("sales"))

    @admin.display(description=_("image"))
    def picture(self, product: Product) -> SafeString:
        """Return a thumbnail of the image."""
        return thumbnail(product.image, product.name)

    @admin.display(description=_("sales"), ordering="sale_count")
    def sale_count(self, product: Product) -> int:
        """Return the number of sales."""
        count: int = product.sale_count  # type: ignore[attr-defined]  # annotated above
        return count

    def save_model(self, request: HttpRequest, obj: Product, form: "ModelForm[Product]", change: bool) -> None:  # noqa: FBT001 (Django's signature)
        """Save the product. After the commit, send a new image to the hosts."""
        super().save_model(request, obj, form, change)
        if "image" in form.changed_data:
            send_image(obj.image)
