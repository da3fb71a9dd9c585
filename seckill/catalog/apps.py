from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatalogConfig(AppConfig):
    """Products, sales, banners and pictures."""

    name = "seckill.catalog"
    verbose_name = _("Shop")
