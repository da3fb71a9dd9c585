"""A persistent crowd: each buyer retries until accepted, and polls until the outcome, as browsers do."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import anyio
import httpx

from devtools.waiting import WAIT_SECONDS_MAX

POLL_SECONDS = 0.5
OUTCOMES = {"confirmed", "waitlisted", "sold_out", "released"}


@dataclass
class Buyer:
    """One buyer and the shop's responses."""

    name: str
    token: str  #: the pass
    place: int = 0  #: from the response that accepted the buyer; 0 = not accepted yet
    ticket: str = ""
    told: dict[str, Any] = field(default_factory=dict)  #: the last poll's response

    @property
    def outcome(self) -> str:
        """Return the last poll's outcome, or an empty string."""
        status = self.told.get("status")
        return status if status in OUTCOMES else ""


class Crowd:
    """Buyers who arrive at random times. ``with Crowd(…):`` starts them; they poll until the block ends."""

    def __init__(
        self,
        address: str,
        sale: int,
        buyers: Sequence[Buyer],
        *,
        within_seconds: float,
        seed: int,
        poll_seconds: float = POLL_SECONDS,
        held_back: int = 0,
    ) -> None:
        """The last ``held_back`` buyers wait for `let_in`."""
        self.buyers = list(buyers)
        self.answers: Counter[str] = Counter()  #: counts of "purchase 202", "poll 200", "poll ConnectError", …
        self.accepted: list[Buyer] = []  #: in the order of the responses
        self._address = address
        self._sale = sale
        self._within_seconds = within_seconds
        self._poll_seconds = poll_seconds
        self._random = random.Random(seed)
        self._leave = threading.Event()
        self._held_back = {buyer.name for buyer in self.buyers[len(self.buyers) - held_back :]}
        self._let_in = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._come()), name="crowd")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join(timeout=WAIT_SECONDS_MAX)
        assert not self._thread.is_alive()

    def let_in(self) -> None:
        """Let the held-back buyers in."""
        self._let_in.set()

    @property
    def all_decided(self) -> bool:
        """Return whether all buyers were accepted and got an outcome."""
        return all(buyer.outcome for buyer in self.buyers)

    def with_status(self, status: str) -> list[Buyer]:
        """Return the buyers whose last outcome is this one, by their first place."""
        return sorted((buyer for buyer in self.buyers if buyer.outcome == status), key=lambda buyer: buyer.place)

    async def _come(self) -> None:
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=1)
        no_tls = httpx.create_ssl_context(verify=False)
        async with (
            httpx.AsyncClient(base_url=self._address, timeout=60, limits=limits, verify=no_tls) as client,
            anyio.create_task_group() as everybody,
        ):
            for buyer in self.buyers:
                everybody.start_soon(self._buy_and_poll, client, buyer)
            while not self._leave.is_set():  # noqa: ASYNC110 (another thread sets it)
                await asyncio.sleep(0.05)
            # Some requests may never be answered. anyio's cancellation lets httpx close their connections.
            everybody.cancel_scope.cancel()

    async def _buy_and_poll(self, client: httpx.AsyncClient, buyer: Buyer) -> None:
        while buyer.name in self._held_back and not self._let_in.is_set():  # noqa: ASYNC110 (another thread sets it)
            await asyncio.sleep(0.05)
        await asyncio.sleep(self._random.uniform(0, self._within_seconds))
        bearer = {"Authorization": f"Bearer {buyer.token}"}
        while not buyer.ticket:
            answer = await self._ask("purchase", client.post(f"/api/sales/{self._sale}/purchase", headers=bearer))
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                document = answer.json()
                buyer.place, buyer.ticket = document["place"], document["ticket"]
                self.accepted.append(buyer)
            else:
                await asyncio.sleep(self._poll_seconds)
        while True:
            await asyncio.sleep(self._poll_seconds * self._random.uniform(0.8, 1.2))
            answer = await self._ask("poll", client.get(f"/api/tickets/{buyer.ticket}"))
            if answer is not None and answer.status_code == httpx.codes.OK:
                buyer.told = answer.json()
                buyer.ticket = buyer.told.get("ticket", buyer.ticket)
            else:
                buyer.told = {}

    async def _ask(self, what: str, call: Any) -> httpx.Response | None:
        try:
            answer: httpx.Response = await call
        except httpx.HTTPError as error:
            self.answers[f"{what} {type(error).__name__}"] += 1
            return None
        self.answers[f"{what} {answer.status_code}"] += 1
        return answer
