"""Stock: the only module that changes ``Sale.sold``, the number of orders that hold a unit.

The database refuses ``sold`` above ``stock``, so overselling is impossible whatever Redis says. Redis mirrors the units
left for speed: ``stock - sold``, without those that are reserved or not yet released:

=============== ========================================== ==================================
script          what it does to the mirror                 when
=============== ========================================== ==================================
``reserve``     takes units for the next places            before their orders are written
``confirm``     corrects it where units were reserved twice after `take`
``release``     returns units of cancelled, expired orders after `give_back`
``configure``   follows a change of ``Sale.stock``         after the shop saved the sale
``rebuild``     sets it from the ledger                    after Redis lost it, or disagreed
=============== ========================================== ==================================
"""

from django.db import OperationalError
from django.db.models import F

from seckill.catalog.models import Sale


class SaleChangedError(OperationalError):
    """The sale changed since it was read: too few units, ended, or another price, currency or time to pay."""


def take(sale: Sale, units: int) -> None:
    """Count units as sold, in the transaction that writes their orders.

    Raises:
        SaleChangedError: the sale is no longer as it was when ``sale`` was read, or has fewer units left.
    """
    as_read = Sale.objects.filter(
        pk=sale.pk,
        ended_at__isnull=True,
        sold__lte=F("stock") - units,
        price=sale.price,
        currency=sale.currency,
        pay_within_seconds=sale.pay_within_seconds,
    )
    if not as_read.update(sold=F("sold") + units):
        raise SaleChangedError(f"sale {sale.pk} changed while orders were written")


def give_back(sale_id: int, units: int) -> None:
    """Count units as not sold, in the transaction that cancels or expires their orders."""
    Sale.objects.filter(pk=sale_id).update(sold=F("sold") - units)
