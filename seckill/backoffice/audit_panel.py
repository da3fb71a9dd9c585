"""Presentation of a sale's last audit in the admin."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin.utils import label_for_field
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from orders.models import Audit
from seckill.catalog.models import Sale

COLOURS = {
    Audit.Result.AGREES: "success",
    Audit.Result.DRIFT: "warning",
    Audit.Result.BUSY: "info",
    Audit.Result.UNKNOWN: "warning",
    Audit.Result.UNREACHABLE: "danger",
    Audit.Result.CONTRADICTION: "danger",
}
LEVELS = {
    "success": messages.SUCCESS,
    "info": messages.INFO,
    "warning": messages.WARNING,
    "danger": messages.ERROR,
}
MEANINGS: dict[Audit.Result, Promise] = {
    Audit.Result.AGREES: _("The line and the ledger agree."),
    Audit.Result.DRIFT: _(
        "The line differs from the ledger. Beat rebuilds the line within 30 seconds, unless the sale has ended."
    ),
    Audit.Result.BUSY: _("Places were being settled, so only the ledger was checked."),
    Audit.Result.UNKNOWN: _(
        "The sale was not loaded in Redis. Its line is rebuilt within seconds, unless the sale ended over a week ago."
    ),
    Audit.Result.UNREACHABLE: _("Redis did not respond."),
    Audit.Result.CONTRADICTION: _(
        "The ledger contradicts itself. This is not repaired automatically: see docs/how-to/recover.md."
    ),
}
REPAIRED = _("The line has been rebuilt from the ledger.")
NUMBERS = (  # compared numbers are neighbours
    *("sold", "active_orders", "redis_stock", "db_stock", "outcomes", "orders"),
    *("pending_release", "reserved_units", "stock", "epoch"),
)


@dataclass(frozen=True, slots=True)
class Number:
    """One number of an audit."""

    label: str
    value: int | None  #: None if it was not counted
    wrong: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """Label, colour and explanation of an audit."""

    audit: Audit

    @classmethod
    def of(cls, sale: Sale) -> "AuditView | None":
        """Return the view of the sale's audit, or None before the first audit.

        Runs a query unless the sale was loaded with ``select_related("audit")``.
        """
        audit = getattr(sale, "audit", None)
        return cls(audit) if audit else None

    @property
    def result(self) -> Audit.Result:
        """The result of the audit."""
        return Audit.Result(self.audit.result)

    @property
    def label(self) -> str:
        """The result in one or two words."""
        return f"{self.result.label}, {_('repaired')}" if self.audit.repaired else str(self.result.label)

    @property
    def colour(self) -> str:
        """The name of the unfold label colour."""
        return COLOURS[self.result]

    @property
    def level(self) -> int:
        """The level of a Django message about the result."""
        return LEVELS[self.colour]

    @property
    def when(self) -> str:
        """The time of the audit, with seconds because audits run every 30 s."""
        return f"{localtime(self.audit.audited_at):%Y-%m-%d %H:%M:%S}"

    @property
    def meaning(self) -> Promise:
        """One sentence that explains the result and what to do."""
        return REPAIRED if self.audit.repaired else MEANINGS[self.result]

    @property
    def numbers(self) -> list[Number]:
        """The numbers in the order of the panel."""
        audit = self.audit
        wrong = set[str]()
        if audit.sold != audit.active_orders:
            wrong |= {"sold", "active_orders"}
        if audit.sold > audit.stock:
            wrong |= {"sold", "stock"}
        if audit.db_stock is not None and audit.redis_stock != audit.db_stock:
            wrong |= {"redis_stock", "db_stock"}
        if audit.orders is not None and audit.outcomes != audit.orders:
            wrong |= {"outcomes", "orders"}
        return [
            Number(str(label_for_field(name, Audit)), getattr(audit, name), wrong=name in wrong) for name in NUMBERS
        ]
