from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SeckillConfig(AppConfig):
    """The sale itself: what is sold, when, and the banners that announce it."""

    name = "seckill"
    verbose_name = _("Shop")
    default_auto_field = "django.db.models.BigAutoField"
