"""Event: what one transaction did to orders, to be told."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale


class Event(models.Model):
    """Something that happened to orders of a sale, in the transaction that made it so; waiting to be told.

    One row for up to 500 orders that a transaction moved: a settled group is one event, or a few. Telling is at least
    once, in steps (`celery_task.notification_task`): buyers first, then other programs. ``id`` grows for each order.
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
    locked_at = models.DateTimeField(null=True)  #: when somebody began to tell it; after a while another one may
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
