"""Order: one buyer's unit of one sale, from reserved to paid or given back."""

import os
import re

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale

# Crockford's base 32 without vowels' look-alikes: can be read out over a telephone.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SIGN_OF_BYTE = (NUMBER_ALPHABET * 8).encode()  # five of a byte's bits choose the sign


def new_order_numbers(count: int) -> list[str]:
    """Fresh order numbers such as ``7K2Q-M9XD-4TPA``: 60 random bits each, so they can't be guessed or counted."""
    signs = os.urandom(12 * count).translate(_SIGN_OF_BYTE).decode()
    return [
        f"{signs[at : at + 4]}-{signs[at + 4 : at + 8]}-{signs[at + 8 : at + 12]}" for at in range(0, 12 * count, 12)
    ]


def new_order_number() -> str:
    """A fresh order number."""
    return new_order_numbers(1)[0]


def is_order_number(value: object) -> bool:
    """Whether an order may have this number; PostgreSQL chokes on what can't be one (a NUL)."""
    return isinstance(value, str) and re.fullmatch(f"[{NUMBER_ALPHABET}-]{{14}}", value) is not None


class Order(models.Model):
    """A unit of a sale that one buyer holds, held, or has paid for.

    PENDING becomes exactly one of PAID, CANCELLED and EXPIRED, by a conditional UPDATE. A buyer has at most one order
    in a sale, and a place in line leads to at most one order: the database enforces both.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("to be paid")  #: holds a unit until ``pay_before``
        PAID = "paid", _("paid")  #: holds a unit for good
        CANCELLED = "cancelled", _("cancelled")  #: given back by the buyer or the shop
        EXPIRED = "expired", _("expired")  #: given back because nobody paid in time

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
    pay_before = models.DateTimeField(_("to be paid before"))
    status_changed_at = models.DateTimeField(_("paid or given back at"), null=True)
    released_at = models.DateTimeField(_("unit back in the line at"), null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-id"]
        # An order is written once into each index, and that is most of what the database does for it. So each serves
        # several questions: whose orders, which of a sale, and which numbers begin with some signs.
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
    """The orders that were cancelled or expired, and whose units are not back in the line yet."""
    given_back = (Order.Status.CANCELLED, Order.Status.EXPIRED)
    return Order.objects.filter(status__in=given_back, released_at__isnull=True)
