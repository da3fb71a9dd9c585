"""Sale: product, price, stock and time window."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from seckill.catalog.models.product import Product


class Sale(models.Model):
    """One product at one price, ``stock`` units, in a window of time.

    ``sold`` counts the active orders (pending or paid). It changes only in the transaction that changes those orders,
    and a database constraint rejects a value above ``stock``. That constraint makes overselling impossible, whatever
    Redis contains.
    """

    class Status(models.TextChoices):
        """The status set by the shop. The state that buyers see adds time and stock (`seckill.line.state`)."""

        OPEN = "open", _("open")  #: admits buyers during the window
        PAUSED = "paused", _("paused")  #: admits no buyers for now; buyers in line keep their place
        CLOSED = "closed", _("closed")  #: admits no more buyers

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="sales", verbose_name=_("product"))
    price = models.DecimalField(_("price"), max_digits=10, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(_("currency"), max_length=3, default="USD", help_text=_("ISO 4217 code"))
    stock = models.PositiveIntegerField(_("stock"), help_text=_("units in the sale, including those sold"))
    sold = models.PositiveIntegerField(_("sold"), default=0, editable=False)
    opens_at = models.DateTimeField(_("opens at"))
    closes_at = models.DateTimeField(_("closes at"))
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.OPEN)
    pay_within_seconds = models.PositiveIntegerField(
        _("time to pay"), default=900, validators=[MinValueValidator(10)], help_text=_("seconds")
    )
    line_limit = models.PositiveIntegerField(
        _("line limit"), default=200_000, help_text=_("maximum number of places; after that, buyers see “sold out”")
    )
    epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("number of times the line was built from the ledger")
    )
    ended_at = models.DateTimeField(
        _("ended at"), null=True, editable=False, help_text=_("when no waiting buyer could get a unit any more")
    )

    class Meta:
        verbose_name = _("sale")
        verbose_name_plural = _("sales")
        ordering = ["opens_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(sold__lte=F("stock")),
                name="sale_never_oversold",
                violation_error_message=_("The stock is lower than the number of units sold."),
            ),
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("closes_at")),
                name="sale_opens_before_it_closes",
                violation_error_message=_("The opening time must be before the closing time."),
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="sale_not_ended")]

    def __str__(self) -> str:
        return f"{self.product} #{self.pk}"

    def clean(self) -> None:
        """Report a violated constraint at its field."""
        if self.stock is not None and self.stock < self.sold:
            raise ValidationError(
                {"stock": _("%(sold)d units are already sold; the stock can't be lower.") % {"sold": self.sold}}
            )
        if self.opens_at and self.closes_at and self.opens_at >= self.closes_at:
            raise ValidationError({"closes_at": _("The opening time must be before the closing time.")})
