from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """Pages, templates and static files that buyers see."""

    name = "seckill.storefront"
