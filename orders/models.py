"""Order: one buyer's unit of one sale, from reserved to paid or given back. Audit: the last look at a sale's books."""

import secrets

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.models import Sale

# Crockford's base 32 without vowels' look-alikes: can be read out over a telephone.
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_number() -> str:
    """A fresh order number such as ``7K2Q-M9XD-4TPA``: 60 random bits, so it can't be guessed or counted."""
    bits = secrets.randbits(60)
    digits = "".join(NUMBER_ALPHABET[bits >> shift & 31] for shift in range(0, 60, 5))
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


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

    number = models.CharField(_("number"), max_length=14, unique=True, default=new_number)
    sale = models.ForeignKey(Sale, on_delete=models.PROTECT, related_name="orders", verbose_name=_("sale"))
    buyer = models.CharField(_("buyer"), max_length=64)
    place = models.PositiveBigIntegerField(_("place in line"))
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=9, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(_("ordered at"))
    pay_before = models.DateTimeField(_("to be paid before"))
    decided_at = models.DateTimeField(_("paid or given back at"), null=True)
    released_at = models.DateTimeField(_("unit back in the line at"), null=True)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sale", "buyer"], name="order_one_per_buyer_and_sale"),
            models.UniqueConstraint(fields=["sale", "place"], name="order_one_per_place"),
        ]
        indexes = [
            models.Index(fields=["pay_before"], condition=Q(status="pending"), name="order_unpaid"),
            models.Index(
                fields=["sale"],
                condition=Q(status__in=("cancelled", "expired"), released_at__isnull=True),
                name="order_to_release",
            ),
            models.Index(fields=["buyer"], name="order_buyer"),
        ]

    def __str__(self) -> str:
        return self.number


HOLDS_A_UNIT = (Order.Status.PENDING, Order.Status.PAID)


class Audit(models.Model):
    """The last look at a sale's books: does the line agree with the ledger, and the ledger with itself?

    One row a sale; what differed before is in the logs. None stands for what Redis did not tell, and for what is not
    compared while places are being settled.
    """

    class Result(models.TextChoices):
        AGREES = "agrees", _("agrees")  #: the numbers are the same
        DRIFT = "drift", _("drift")  #: they are not; the ledger is right
        BUSY = "busy", _("busy")  #: places are being settled: nothing can be compared
        UNKNOWN = "unknown", _("unknown")  #: Redis does not know the sale
        UNREACHABLE = "unreachable", _("unreachable")  #: Redis did not answer
        CONTRADICTION = "contradiction", _("contradiction")  #: the ledger is wrong in itself, whatever the line says

    class By(models.TextChoices):
        BEAT = "beat", _("beat")
        COMMAND = "command", _("command")
        ADMIN = "admin", _("admin")

    sale = models.OneToOneField(
        Sale, on_delete=models.CASCADE, primary_key=True, related_name="audit", verbose_name=_("sale")
    )
    at = models.DateTimeField(_("audited at"))
    by = models.CharField(_("audited by"), max_length=7, choices=By.choices)
    result = models.CharField(_("result"), max_length=13, choices=Result.choices)
    repaired = models.BooleanField(_("repaired"), default=False)
    # The ledger beside itself, read in one moment
    stock = models.PositiveIntegerField(_("stock"))
    sold = models.PositiveIntegerField(_("sold"))
    holding = models.PositiveIntegerField(_("orders that hold a unit"))
    # The line beside the ledger, read in one moment
    epoch = models.PositiveIntegerField(_("epoch"), null=True)
    claimed = models.PositiveIntegerField(_("units under a claim"), null=True)
    coming_back = models.PositiveIntegerField(_("units on their way back"), null=True)
    left_in_line = models.BigIntegerField(_("units left, by Redis"), null=True)
    left_in_ledger = models.BigIntegerField(_("units left, by the ledger"), null=True)
    outcomes = models.PositiveIntegerField(_("outcomes in Redis"), null=True)
    orders = models.PositiveIntegerField(_("orders in the ledger"), null=True)

    class Meta:
        verbose_name = _("audit")
        verbose_name_plural = _("audits")
        default_permissions = ()  # whoever may see a sale sees its audit

    def __str__(self) -> str:
        return f"sale {self.sale_id}: {self.result}"


def on_their_way() -> models.QuerySet[Order]:
    """The orders that were cancelled or expired, and whose units are not back in the line yet."""
    given_back = (Order.Status.CANCELLED, Order.Status.EXPIRED)
    return Order.objects.filter(status__in=given_back, released_at__isnull=True)
