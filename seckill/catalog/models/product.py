"""Product: what a sale sells."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models.picture import check_picture_size


class Product(models.Model):
    """A product. A product may have several sales."""

    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    image = models.ImageField(_("image"), upload_to="products/", blank=True, validators=[check_picture_size])

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
