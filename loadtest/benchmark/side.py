"""A side: the shops of one revision, and the passes, accounts and tickets needed to measure them."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from devtools.waiting import wait_until
from loadtest.benchmark import wrk
from loadtest.benchmark.accounts import Account, register, renew, write_accounts
from loadtest.benchmark.connection import request
from loadtest.benchmark.costs import Costs, Meters
from loadtest.benchmark.generator import generate
from loadtest.benchmark.result import Reading
from loadtest.benchmark.shop import MeasuredShop

TICKETS = 1000  #: tickets of each kind that are polled
ACCOUNTS = 50
FIRST_GUESS = 200_000  #: upper bound of purchases a second for a shop not yet measured
SPARE, SPARE_LEAST = 3, 50_000  #: passes per purchase of the fastest run so far; the machine may get faster


class Side:
    """One revision."""

    def __init__(self, label: str, shops: Mapping[str, MeasuredShop], directory: Path) -> None:
        """Keep files of passes, accounts and requests in ``directory``."""
        self.label = label
        self.shops = shops
        self._directory = directory
        self._accounts: list[Account] = []
        self._fastest: dict[tuple[str, int], float] = {}  #: purchases a second, by system and connections

    @property
    def line(self) -> MeasuredShop:
        """The product's shop."""
        return self.shops["line"]

    def file(self, name: str) -> Path:
        """Return the path of a file of this side."""
        return self._directory / f"passes-{quote(self.label, safe='')}-{name}"

    # --- buyers -------------------------------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """Return logged-in buyers of the line's shop with fresh cookies, and write them to a file.

        Raises AccountError.
        """
        port = self.line.shop.port
        self._accounts = renew(port, self._accounts) if self._accounts else register(port, ACCOUNTS)
        write_accounts(self._accounts, self.accounts_file)
        return self._accounts

    @property
    def accounts_file(self) -> Path:
        """Return the path of the accounts file."""
        return self.file("accounts")

    def buy(
        self, shop: MeasuredShop, path: str, sale: int, seconds: int, *, connections: int = wrk.CONNECTIONS,
        prefix: str = "b",
    ) -> tuple[wrk.Answers, Meters]:  # fmt: skip
        """Run purchases with wrk, each with another pass. Return the answers and the meters before. Raises WrkError."""
        fastest = self._fastest.get((shop.system.name, connections))
        enough = seconds * (int(SPARE * fastest) + SPARE_LEAST if fastest else FIRST_GUESS)
        passes = shop.passes(sale, enough, prefix)
        file = self.file("purchases")
        for share in range(wrk.THREADS):
            Path(f"{file}.{share}").write_text("\n".join(passes[share :: wrk.THREADS]) + "\n", encoding="ascii")
        before = shop.meters()
        answers = wrk.run(
            f"{shop.shop.address}/api/sales/{sale}/{path}",
            seconds=seconds,
            script="purchase.lua",
            arguments=(file,),
            connections=connections,
        )
        self._fastest[shop.system.name, connections] = max(answers.per_second, fastest or 0.0)
        return answers, before

    def purchase_requests(self, sale: int, count: int, prefix: str = "b") -> Path:
        """Write a file of purchases in the line's shop, for the pacer."""
        path = f"/api/sales/{sale}/purchase"
        passes = self.line.passes(sale, count, prefix)
        purchases = [request("POST", path, {"Authorization": f"Bearer {one}"}) for one in passes]
        return self.requests_file(purchases, f"sale-{sale}")

    def requests_file(self, requests: Sequence[bytes], name: str) -> Path:
        """Write a file of requests, for the pacer."""
        file = self.file(name)
        file.write_text("".join(f"{json.dumps(one.decode())}\n" for one in requests), encoding="utf-8")
        return file

    # --- requests -----------------------------------------------------------------------------------------------

    def rotating(self, name: str, lines: Sequence[Sequence[str]]) -> Path:
        """Write a file for rotate.lua: method, path and headers of each request."""
        file = self.file(name)
        file.write_text("\n".join("\t".join(line) for line in lines) + "\n", encoding="utf-8")
        return file

    @cached_property
    def tickets(self) -> tuple[Path, Path]:
        """Return polls of 1,000 waiting and 1,000 decided tickets. The tickets are bought on first use."""
        shop = self.line
        sale = shop.new_sale(stock=TICKETS)
        passes, tickets = self.file("pass-book"), self.file("tickets")
        passes.write_text("\n".join(shop.passes(sale, 2 * TICKETS)) + "\n", encoding="ascii")
        generate("buy_once", shop.shop.port, sale, passes, tickets)
        wait_until("the winners have orders", lambda: shop.sold(sale) == TICKETS)
        shop.await_rest()
        bought = tickets.read_text(encoding="ascii").split()
        decided, waiting = bought[:TICKETS], bought[TICKETS:]
        for several, expected in ((waiting, "waitlisted"), (decided, "confirmed")):
            for ticket in (several[0], several[-1]):
                status = shop.shop.get(f"/api/tickets/{ticket}").get("status")
                if status != expected:
                    raise RuntimeError(f"a ticket that should be {expected} is {status}")
        return (
            self.rotating("waiting", [("GET", f"/api/tickets/{ticket}") for ticket in waiting]),
            self.rotating("decided", [("GET", f"/api/tickets/{ticket}") for ticket in decided]),
        )


def reading(answers: wrk.Answers, spent: Costs) -> Reading:
    """Combine wrk's answers with the costs."""
    return Reading(answers.per_second, answers.p99_ms, answers.failed, spent)


def check_count(answers: wrk.Answers, purchases: int, connections: int = wrk.CONNECTIONS) -> None:
    """Check that the shop has all answered purchases and at most those under way when wrk left. Raises WrkError."""
    if not answers.failed and not answers.requests <= purchases <= answers.requests + connections:
        raise wrk.WrkError(f"{answers.requests:,} purchases were answered, and the shop has {purchases:,}.")
