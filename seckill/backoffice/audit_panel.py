"""The last audit of a sale, as the admin shows it."""

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
    Audit.Result.AGREES: _("The line and the ledger say the same."),
    Audit.Result.DRIFT: _(
        "The line differs from the ledger, which is right: beat rebuilds it within half a minute, if the sale goes on."
    ),
    Audit.Result.BUSY: _("Places were being settled, so only the ledger was looked at."),
    Audit.Result.UNKNOWN: _(
        "Redis did not know the sale: its line is rebuilt within seconds. A week after its end a sale is forgotten."
    ),
    Audit.Result.UNREACHABLE: _("Redis did not answer."),
    Audit.Result.CONTRADICTION: _(
        "The ledger contradicts itself, and nothing repairs that but you: docs/operations.md says how."
    ),
}
REPAIRED = _("The line has been rebuilt from the ledger.")
NUMBERS = (  # each beside what it is compared with
    *("sold", "active_orders", "redis_stock", "db_stock", "outcomes", "orders"),
    *("pending_release", "reserved_units", "stock", "epoch"),
)


@dataclass(frozen=True, slots=True)
class Number:
    """One number of an audit."""

    label: str
    value: int | None  #: None was not counted
    wrong: bool


@dataclass(frozen=True, slots=True)
class AuditView:
    """An audit in words and colours."""

    audit: Audit

    @classmethod
    def of(cls, sale: Sale) -> "AuditView | None":
        """None when nobody has audited the sale yet. Select the sale with its audit, or this is a query."""
        audit = getattr(sale, "audit", None)
        return cls(audit) if audit else None

    @property
    def result(self) -> Audit.Result:
        """What came of it."""
        return Audit.Result(self.audit.result)

    @property
    def label(self) -> str:
        """The result as a word or two."""
        return f"{self.result.label}, {_('repaired')}" if self.audit.repaired else str(self.result.label)

    @property
    def colour(self) -> str:
        """Of unfold's labels."""
        return COLOURS[self.result]

    @property
    def level(self) -> int:
        """Of a message that says the result."""
        return LEVELS[self.colour]

    @property
    def when(self) -> str:
        """To the second: there is an audit every half minute."""
        return f"{localtime(self.audit.at):%Y-%m-%d %H:%M:%S}"

    @property
    def meaning(self) -> Promise:
        """A sentence for whoever wonders what to do."""
        return REPAIRED if self.audit.repaired else MEANINGS[self.result]

    @property
    def numbers(self) -> list[Number]:
        """All of them, in the order of the panel."""
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
