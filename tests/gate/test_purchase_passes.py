"""A purchase at the gate: nobody buys without a valid pass."""

import time
from base64 import urlsafe_b64encode

import pytest

from seckill.line.passes import Pass
from seckill.line.tickets import Ticket
from tests.gate.gate_server import (
    HOUR_MS,
    GateServer,
    good_pass,
    problem,
)
from tests.line.conftest import LoadSale

NOW_MS = int(time.time() * 1000)


UNSIGNED = urlsafe_b64encode(b"\0" * 16 + b"7 olga 0 99999999999999").rstrip(b"=").decode()


BAD_PASSES = {
    "no word": "",
    "scheme only": "Bearer",
    "scheme and blank": "Bearer ",
    "another scheme": f"Basic {good_pass(7, 'olga')}",
    "no scheme": good_pass(7, "olga"),
    "nonsense": "Bearer olga",
    "unsigned": f"Bearer {UNSIGNED}",
    "forged": f"Bearer {good_pass(7, 'olga')[:-2]}xx",
    "two passes": f"Bearer {good_pass(7, 'olga')} {good_pass(7, 'olga')}",
    "a ticket": f"Bearer {Ticket(7, 1, 'olga', 1).sign()}",
    "far too long": "Bearer " + "A" * 3000,
    "umlauts": "Bearer tïcket",
    "bytes": "Bearer \xff\xfe",
}


@pytest.mark.parametrize("authorization", BAD_PASSES.values(), ids=BAD_PASSES.keys())
async def test_nobody_buys_without_a_pass_of_this_shop(
    gate_server: GateServer, load_sale: LoadSale, authorization: str
) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, authorization)

    assert problem(response) == (401, "bad_pass")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["detail"] == "Send the pass as 'Authorization: Bearer PASS'."
    assert sale.buyers_in_line() == []


async def test_nobody_buys_without_the_header(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()

    response = await gate_server.request("POST", "/api/sales/7/purchase")

    assert problem(response) == (401, "bad_pass")
    assert response.headers["www-authenticate"] == "Bearer"
    assert sale.buyers_in_line() == []


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
async def test_a_scheme_may_be_spelled_as_http_allows(
    gate_server: GateServer, load_sale: LoadSale, spelling: str
) -> None:
    load_sale()

    assert (await gate_server.purchase_with(7, spelling.format(good_pass(7, "olga")))).json()["place"] == 1


@pytest.mark.parametrize("expires_ms", [0, NOW_MS - HOUR_MS, NOW_MS - 1], ids=["1970", "an hour ago", "just now"])
async def test_an_expired_pass_is_worthless(gate_server: GateServer, load_sale: LoadSale, expires_ms: int) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, f"Bearer {Pass(7, 'olga', 0, expires_ms).sign()}")

    assert problem(response) == (401, "bad_pass")
    assert response.json()["detail"] == "The pass has expired."
    assert response.headers["www-authenticate"] == "Bearer"
    assert sale.buyers_in_line() == []


async def test_the_window_decides_not_the_day_printed_on_the_pass(gate_server: GateServer, load_sale: LoadSale) -> None:
    load_sale()
    early_bird = Pass(7, "olga", NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS).sign()

    assert (await gate_server.purchase_with(7, f"Bearer {early_bird}")).status_code == 202


async def test_a_pass_is_good_for_its_own_sale_only(gate_server: GateServer, load_sale: LoadSale) -> None:
    sale = load_sale()

    response = await gate_server.purchase_with(7, f"Bearer {good_pass(8, 'olga')}")

    assert problem(response) == (401, "bad_pass")
    assert response.json()["detail"] == "The pass is for another sale."
    assert sale.buyers_in_line() == []
