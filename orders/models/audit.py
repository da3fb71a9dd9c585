"""Audit: the last comparison of a sale's line and ledger."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale


class Audit(models.Model):
    """The last audit of a sale: whether the line agrees with the ledger, and the ledger with itself.

    One row per sale; earlier differences are in the logs. A field is NULL if Redis did not return the value, or if it
    was not compared because places were being settled.
    """

    class Result(models.TextChoices):
        AGREES = "agrees", _("agrees")  #: the numbers are the same
        DRIFT = "drift", _("drift")  #: the numbers differ; the ledger is authoritative
        BUSY = "busy", _("busy")  #: places are being settled, so the numbers cannot be compared
        UNKNOWN = "unknown", _("not loaded")  #: the sale is not loaded in Redis
        UNREACHABLE = "unreachable", _("unreachable")  #: Redis did not answer
        CONTRADICTION = "contradiction", _("contradiction")  #: the ledger is inconsistent, independent of the line

    class By(models.TextChoices):
        BEAT = "beat", _("beat")
        COMMAND = "command", _("command")
        ADMIN = "admin", _("admin")

    sale = models.OneToOneField(
        Sale, on_delete=models.CASCADE, primary_key=True, related_name="audit", verbose_name=_("sale")
    )
    audited_at = models.DateTimeField(_("audited at"))
    triggered_by = models.CharField(_("audited by"), max_length=7, choices=By.choices)
    result = models.CharField(_("result"), max_length=13, choices=Result.choices)
    repaired = models.BooleanField(_("repaired"), default=False)
    # The ledger against itself, read in one statement
    stock = models.PositiveIntegerField(_("stock"))
    sold = models.PositiveIntegerField(_("sold"))
    active_orders = models.PositiveIntegerField(_("orders that hold a unit"))
    # The line against the ledger, read under a lock of the sale
    epoch = models.PositiveIntegerField(_("epoch"), null=True)
    reserved_units = models.PositiveIntegerField(_("reserved units"), null=True)
    pending_release = models.PositiveIntegerField(_("units being released"), null=True)
    redis_stock = models.BigIntegerField(_("units left (Redis)"), null=True)
    db_stock = models.BigIntegerField(_("units left (ledger)"), null=True)
    outcomes = models.PositiveIntegerField(_("outcomes in Redis"), null=True)
    orders = models.PositiveIntegerField(_("orders in the ledger"), null=True)

    class Meta:
        verbose_name = _("audit")
        verbose_name_plural = _("audits")
        default_permissions = ()  # the permission to view a sale covers its audit

    def __str__(self) -> str:
        return f"sale {self.sale_id}: {self.result}"
