"""Audit: the last look at a sale's books."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models import Sale


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
    active_orders = models.PositiveIntegerField(_("orders that hold a unit"))
    # The line beside the ledger, read in one moment
    epoch = models.PositiveIntegerField(_("epoch"), null=True)
    reserved_units = models.PositiveIntegerField(_("units under a claim"), null=True)
    pending_release = models.PositiveIntegerField(_("units on their way back"), null=True)
    redis_stock = models.BigIntegerField(_("units left, by Redis"), null=True)
    db_stock = models.BigIntegerField(_("units left, by the ledger"), null=True)
    outcomes = models.PositiveIntegerField(_("outcomes in Redis"), null=True)
    orders = models.PositiveIntegerField(_("orders in the ledger"), null=True)

    class Meta:
        verbose_name = _("audit")
        verbose_name_plural = _("audits")
        default_permissions = ()  # whoever may see a sale sees its audit

    def __str__(self) -> str:
        return f"sale {self.sale_id}: {self.result}"
