from django.apps import AppConfig


class SeckillConfig(AppConfig):
    """The sale itself: what is sold, when, and the banners that announce it."""

    name = "seckill"
    default_auto_field = "django.db.models.BigAutoField"
