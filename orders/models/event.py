"""Event: a row of the transactional outbox."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale
from seckill.lease import LeasedModel


class Event(LeasedModel):
    """A change of orders, written in the same transaction and waiting for delivery.

    One row covers up to 500 orders of a transaction, so a settled reservation is one event or a few. Delivery is at
    least once (`celery_task.notification_task`): buyers first, then other programs. The events of an order have
    ascending ids.
    """

    class Kind(models.TextChoices):
        CONFIRMED = "confirmed", _("confirmed")  #: orders to be paid
        PAID = "paid", _("paid")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    # No constraint: PostgreSQL checks a foreign key by locking the sale's row, so payment would wait for settlement and
    # expiry for payment. The foreign keys of the orders already protect the sale.
    sale = models.ForeignKey(
        Sale, on_delete=models.PROTECT, db_constraint=False, related_name="events", verbose_name=_("sale")
    )
    kind = models.CharField(_("kind"), max_length=9, choices=Kind.choices)
    numbers = models.JSONField(_("order numbers"))  #: list of str
    occurred_at = models.DateTimeField(_("occurred at"))
    notified_at = models.DateTimeField(_("buyers notified at"), null=True)
    published_at = models.DateTimeField(_("published at"), null=True)
    remind_at = models.DateTimeField(_("reminder due at"), null=True)  #: NULL: no reminder, or sent

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        default_permissions = ()
        indexes = [
            models.Index(fields=["id"], condition=Q(published_at__isnull=True), name="event_unpublished"),
            models.Index(fields=["remind_at"], condition=Q(remind_at__isnull=False), name="event_to_remind"),
            models.Index(fields=["occurred_at"], name="event_occurred_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
