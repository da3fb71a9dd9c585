"""The negative control: disable the guard against overselling, so that the audit has something to find."""

import redis

from devtools.embedded.shop import Shop

_GUARD_OFF_POSTGRES = """
ALTER TABLE catalog_sale DROP CONSTRAINT sale_never_oversold;
CREATE FUNCTION forget_sold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.sold = 0; RETURN NEW; END $$;
CREATE TRIGGER forget_sold BEFORE UPDATE ON catalog_sale FOR EACH ROW EXECUTE FUNCTION forget_sold()
"""
_GUARD_OFF_SQLITE = """
CREATE TRIGGER forget_sold AFTER UPDATE OF sold ON catalog_sale WHEN NEW.sold > 0
BEGIN UPDATE catalog_sale SET sold = 0 WHERE id = NEW.id; END
"""


def switch_guard_off(shop: Shop) -> None:
    """Make the ledger count no units as sold from now on."""
    sqlite = shop.environment["DATABASE_URL"].startswith("sqlite")
    shop.sql(_GUARD_OFF_SQLITE if sqlite else _GUARD_OFF_POSTGRES)


class Sabotage:
    """Disables the ledger's counter before the opening, and wipes Redis once all units are sold."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._guard_off = False
        self._wiped = False

    def __call__(self, seconds: float) -> None:
        """Called repeatedly with the seconds since the opening."""
        if not self._guard_off:
            switch_guard_off(self._shop)
            self._guard_off = True
        if seconds >= 0 and not self._wiped and self._is_sold_out():
            with redis.Redis.from_url(self._shop.environment["REDIS_URL"]) as client:
                client.flushall()
            self._wiped = True

    def _is_sold_out(self) -> bool:
        ((sold_out,),) = self._shop.sql(
            "SELECT (SELECT count(*) FROM orders_order WHERE sale_id = 1) >= stock FROM catalog_sale WHERE id = 1"
        )
        return bool(sold_out)
