"""Order: one buyer's unit of one sale, from reserved to paid or given back. Audit: the last look at a sale's books."""

import re
import secrets
from uuid import uuid4

from django.conf import settings
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


def is_number(value: object) -> bool:
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


class Event(models.Model):
    """Something that happened to orders of a sale, in the transaction that made it so; waiting to be told.

    One row a transaction, with as many orders as it moved: a settled group is one event. Telling is at least once, in
    steps (`celery_task.notice_task`): buyers first, then other programs. ``id`` grows with time within a sale.
    """

    class Kind(models.TextChoices):
        CONFIRMED = "confirmed", _("confirmed")  #: orders to be paid
        PAID = "paid", _("paid")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    # PostgreSQL would check a foreign key by locking the sale's row: paying would wait for whoever settles, and whoever
    # expires orders for who pays. The orders hold on to their sale already.
    sale = models.ForeignKey(
        Sale, on_delete=models.PROTECT, db_constraint=False, related_name="events", verbose_name=_("sale")
    )
    kind = models.CharField(_("kind"), max_length=9, choices=Kind.choices)
    numbers = models.JSONField(_("order numbers"))  #: list of str
    at = models.DateTimeField(_("at"))
    told_from = models.DateTimeField(null=True)  #: when somebody began to tell it; after a while another one may
    notified_at = models.DateTimeField(_("buyers notified at"), null=True)
    published_at = models.DateTimeField(_("published at"), null=True)
    remind_at = models.DateTimeField(_("buyers to be reminded at"), null=True)  #: None once they were, or need not be

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        default_permissions = ()
        indexes = [
            models.Index(fields=["id"], condition=Q(published_at__isnull=True), name="event_untold"),
            models.Index(fields=["remind_at"], condition=Q(remind_at__isnull=False), name="event_to_remind"),
            models.Index(fields=["at"], name="event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Export(models.Model):
    """A file of orders that somebody asked for. Workers write it in parts, one after the other."""

    class Result(models.TextChoices):
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)  #: the id of its Celery task, too
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports", verbose_name=_("asked by")
    )
    asked_at = models.DateTimeField(_("asked at"))
    # Which orders
    sale = models.ForeignKey(Sale, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("sale"))
    statuses = models.JSONField(_("statuses"), default=list, blank=True)  #: list of `Order.Status`; empty for all
    first_day = models.DateField(_("from"), null=True, blank=True)
    last_day = models.DateField(_("to"), null=True, blank=True)
    upto = models.PositiveBigIntegerField(default=0, editable=False)  #: id of the newest order when it was asked for
    # How far it is
    total = models.PositiveIntegerField(_("orders"), null=True, editable=False)
    rows = models.PositiveIntegerField(_("rows"), default=0, editable=False)
    files = models.JSONField(default=list, editable=False)  #: list of str: the names of its parts in the storage
    last_id = models.PositiveBigIntegerField(default=0, editable=False)  #: the last order written
    moved_at = models.DateTimeField(editable=False)  #: when a part was written, or asked for again
    # How it ended
    result = models.CharField(_("result"), max_length=9, choices=Result.choices, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        default_permissions = ()  # whoever may see orders may export them
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def parts(self) -> int:
        """How many are written."""
        return len(self.files)

    @property
    def percent(self) -> int:
        """How far it is: 100 when it is done, 0 while nobody has counted its orders."""
        if self.result == self.Result.DONE:
            return 100
        # Orders that were counted may have left its statuses since.
        return min(self.rows * 100 // self.total, 99) if self.total else 0


class Alert(models.Model):
    """Something that needs somebody: raised once, seen again each time it is looked for, ended when it is over."""

    class Kind(models.TextChoices):
        DRIFT = "drift", _("line and ledger differ")
        CONTRADICTION = "contradiction", _("the ledger contradicts itself")
        STALLED = "stalled", _("buyers wait, units are there, and nothing moves")
        HOST_SILENT = "host_silent", _("a host is silent")

    kind = models.CharField(_("kind"), max_length=13, choices=Kind.choices)
    subject = models.CharField(_("about"), max_length=253)  #: "sale 7", "host web-2"
    detail = models.TextField(_("detail"), blank=True)
    since = models.DateTimeField(_("since"))
    ended_at = models.DateTimeField(_("ended at"), null=True)
    told_from = models.DateTimeField(null=True)  #: when somebody began to tell it; after a while another one may
    told_at = models.DateTimeField(_("told at"), null=True)  #: as it was then: before ``ended_at``, the end is untold

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(ended_at__isnull=True), name="alert_once_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"


def on_their_way() -> models.QuerySet[Order]:
    """The orders that were cancelled or expired, and whose units are not back in the line yet."""
    given_back = (Order.Status.CANCELLED, Order.Status.EXPIRED)
    return Order.objects.filter(status__in=given_back, released_at__isnull=True)
