"""Order: one buyer's unit of one sale, from the moment it is written to payment or release."""

import os
import re

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale

# Crockford's base 32: without I, L, O and U, so numbers can be read out over the telephone.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHAR_OF_BYTE = (NUMBER_ALPHABET * 8).encode()  # five bits of a byte select the character


def new_order_numbers(count: int) -> list[str]:
    """Return random order numbers such as ``7K2Q-M9XD-4TPA``: 60 bits each, so they can't be guessed or counted."""
    chars = os.urandom(12 * count).translate(_CHAR_OF_BYTE).decode()
    return [
        f"{chars[at : at + 4]}-{chars[at + 4 : at + 8]}-{chars[at + 8 : at + 12]}" for at in range(0, 12 * count, 12)
    ]


def new_order_number() -> str:
    """Return one random order number."""
    return new_order_numbers(1)[0]


def is_order_number(value: object) -> bool:
    """Whether this can be an order number. Check before a query: PostgreSQL raises an error for a NUL character."""
    return isinstance(value, str) and re.fullmatch(f"[{NUMBER_ALPHABET}-]{{14}}", value) is not None


class Order(models.Model):
    """A unit of a sale, assigned to one buyer.

    PENDING becomes exactly one of PAID, CANCELLED and EXPIRED, by a conditional UPDATE. The database enforces at most
    one order per buyer and sale, and at most one order per sale and place.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("awaiting payment")  #: holds a unit until ``pay_before``
        PAID = "paid", _("paid")  #: holds a unit for good
        CANCELLED = "cancelled", _("cancelled")  #: released by the buyer or the shop
        EXPIRED = "expired", _("expired")  #: released because it was not paid in time

    number = models.CharField(_("number"), max_length=14, default=new_order_number)
    sale = models.ForeignKey(
        Sale, on_delete=models.PROTECT, db_index=False, related_name="orders", verbose_name=_("sale")
    )
    buyer = models.CharField(_("buyer"), max_length=64)
    place = models.PositiveBigIntegerField(_("place in line"))
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(_("ordered at"))
    pay_before = models.DateTimeField(_("pay by"))
    status_changed_at = models.DateTimeField(_("status changed at"), null=True)
    released_at = models.DateTimeField(_("unit released at"), null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-id"]
        # Index writes are most of the database's work for an order, so each index serves several queries: orders of a
        # buyer, orders of a sale, numbers by prefix.
        constraints = [
            models.UniqueConstraint(fields=["buyer", "sale"], name="order_one_per_buyer_and_sale"),
            models.UniqueConstraint(fields=["sale", "place"], name="order_one_per_place"),
            models.UniqueConstraint(fields=["number"], opclasses=["varchar_pattern_ops"], name="order_number"),
        ]
        indexes = [
            models.Index(fields=["pay_before"], condition=Q(status="pending"), name="order_unpaid"),
            models.Index(
                fields=["sale"],
                condition=Q(status__in=("cancelled", "expired"), released_at__isnull=True),
                name="order_to_release",
            ),
        ]

    def __str__(self) -> str:
        return self.number


ACTIVE_STATUSES = (Order.Status.PENDING, Order.Status.PAID)


def unreleased_orders() -> models.QuerySet[Order]:
    """Return cancelled and expired orders whose units are not back in the line yet."""
    given_back = (Order.Status.CANCELLED, Order.Status.EXPIRED)
    return Order.objects.filter(status__in=given_back, released_at__isnull=True)
