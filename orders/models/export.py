"""Export: a requested CSV file of orders."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale
from seckill.lease import LeasedModel


class Export(LeasedModel):
    """A requested CSV file of orders. Workers write it in chunks, one at a time.

    It is leased to the task of its next chunk, from the moment that the task is sent.
    """

    class Result(models.TextChoices):
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)  #: also the id of its Celery task
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports", verbose_name=_("requested by")
    )
    requested_at = models.DateTimeField(_("requested at"))
    # Filter
    sale = models.ForeignKey(Sale, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("sale"))
    statuses = models.JSONField(_("statuses"), default=list, blank=True)  #: list of `Order.Status`; empty for all
    first_day = models.DateField(_("from"), null=True, blank=True)
    last_day = models.DateField(_("to"), null=True, blank=True)
    max_order_id = models.PositiveBigIntegerField(default=0, editable=False)  #: id of the newest order at the request
    # Progress
    total = models.PositiveIntegerField(_("orders"), null=True, editable=False)
    rows = models.PositiveIntegerField(_("rows"), default=0, editable=False)
    files = models.JSONField(default=list, editable=False)  #: list of str: names of the chunks in the storage
    last_id = models.PositiveBigIntegerField(default=0, editable=False)  #: the last order written
    # Result
    result = models.CharField(_("result"), max_length=9, choices=Result.choices, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        default_permissions = ()  # the permission to view orders covers exports
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def chunks(self) -> int:
        """The number of chunks written."""
        return len(self.files)

    @property
    def percent(self) -> int:
        """The progress: 100 when done, 0 until the orders are counted."""
        if self.result == self.Result.DONE:
            return 100
        # Status changes after the count can make ``rows`` exceed ``total``; only DONE is 100.
        return min(self.rows * 100 // self.total, 99) if self.total else 0
