"""The admin site: its title and its sidebar. Settings import this module, so it imports no model."""

from typing import Any

from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


def _link(title: Promise, icon: str, model: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": lambda request: request.user.has_perm(permission),
    }


#: Django Unfold's settings.
ADMIN_SITE: dict[str, Any] = {
    "SITE_TITLE": _("Flash sale"),
    "SITE_HEADER": _("Flash sale"),
    "SITE_SYMBOL": "bolt",
    "SITE_URL": "/",
    "SHOW_LANGUAGES": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Shop"),
                "items": [
                    _link(_("Sales"), "bolt", "catalog_sale", "catalog.view_sale"),
                    _link(_("Orders"), "receipt_long", "orders_order", "orders.view_order"),
                    _link(_("Exports"), "download", "orders_export", "orders.view_order"),
                    _link(_("Products"), "inventory_2", "catalog_product", "catalog.view_product"),
                    _link(_("Banners"), "image", "catalog_banner", "catalog.view_banner"),
                ],
            },
            {
                "title": _("Operations"),
                "separator": True,
                "items": [
                    _link(_("Alerts"), "notifications_active", "monitoring_alert", "monitoring.view_alert"),
                    _link(
                        _("Schedules"),
                        "schedule",
                        "django_celery_beat_periodictask",
                        "django_celery_beat.view_periodictask",
                    ),
                    _link(_("Hosts"), "dns", "monitoring_host", "monitoring.view_host"),
                ],
            },
            {
                "title": _("Accounts"),
                "separator": True,
                "items": [
                    _link(_("Users"), "person", "accounts_user", "accounts.view_user"),
                    _link(_("Groups"), "group", "auth_group", "auth.view_group"),
                ],
            },
        ],
    },
}
