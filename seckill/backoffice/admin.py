"""Entry point of Django's admin autodiscovery. Imports the module of each noun."""

from seckill.backoffice import alerts, banners, exports, hosts, orders, products, sales, schedules, users

__all__ = ["alerts", "banners", "exports", "hosts", "orders", "products", "sales", "schedules", "users"]
