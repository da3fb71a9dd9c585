"""Export: a file of orders that somebody asked for."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale


class Export(models.Model):
    """A file of orders that somebody asked for. Workers write it in parts, one after the other."""

    class Result(models.TextChoices):
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)  #: the id of its Celery task, too
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exports", verbose_name=_("asked by")
    )
    requested_at = models.DateTimeField(_("asked at"))
    # Which orders
    sale = models.ForeignKey(Sale, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("sale"))
    statuses = models.JSONField(_("statuses"), default=list, blank=True)  #: list of `Order.Status`; empty for all
    first_day = models.DateField(_("from"), null=True, blank=True)
    last_day = models.DateField(_("to"), null=True, blank=True)
    max_order_id = models.PositiveBigIntegerField(
        default=0, editable=False
    )  #: id of the newest order when it was asked for
    # How far it is
    total = models.PositiveIntegerField(_("orders"), null=True, editable=False)
    rows = models.PositiveIntegerField(_("rows"), default=0, editable=False)
    files = models.JSONField(default=list, editable=False)  #: list of str: the names of its parts in the storage
    last_id = models.PositiveBigIntegerField(default=0, editable=False)  #: the last order written
    progressed_at = models.DateTimeField(editable=False)  #: when a part was written, or asked for again
    # How it ended
    result = models.CharField(_("result"), max_length=9, choices=Result.choices, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        default_permissions = ()  # whoever may see orders may export them
        ordering = ["-requested_at"]

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
