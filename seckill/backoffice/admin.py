"""The admin. Django finds this module; each noun has its own."""

from seckill.backoffice import alerts, banners, exports, hosts, orders, products, sales, schedules, users

__all__ = ["alerts", "banners", "exports", "hosts", "orders", "products", "sales", "schedules", "users"]
