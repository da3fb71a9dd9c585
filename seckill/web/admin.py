"""The admin. Django finds this module; each noun has its own.

It stands in the web layer and not beside the models, because it calls the ledger: imports run web → orders → line.
"""

from seckill.web import (
    alert_admin,
    banner_admin,
    export_admin,
    host_admin,
    order_admin,
    product_admin,
    sale_admin,
    schedule_admin,
    user_admin,
)

__all__ = [
    "alert_admin",
    "banner_admin",
    "export_admin",
    "host_admin",
    "order_admin",
    "product_admin",
    "sale_admin",
    "schedule_admin",
    "user_admin",
]
