from django.apps import AppConfig


class WebConfig(AppConfig):
    """Pages, JSON API and admin."""

    name = "seckill.web"
    label = "web"
