from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CatalogConfig(AppConfig):
    """What is sold and when, and the banners that announce it."""

    name = "seckill.catalog"
    verbose_name = _("Shop")
