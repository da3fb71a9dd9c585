"""Banner: an image in the home page carousel."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models.picture import check_picture_size
from seckill.catalog.models.sale import Sale


class Banner(models.Model):
    """An image in the home page carousel, which may link to a sale."""

    title = models.CharField(_("title"), max_length=120)
    subtitle = models.CharField(_("subtitle"), max_length=200, blank=True)
    image = models.ImageField(_("image"), upload_to="banners/", validators=[check_picture_size])
    sale = models.ForeignKey(
        Sale, on_delete=models.SET_NULL, null=True, blank=True, related_name="banners", verbose_name=_("links to")
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("banner")
        verbose_name_plural = _("banners")
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.title
