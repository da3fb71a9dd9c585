"""A crowd: many concurrent buyers on a fixed number of connections, who poll to the end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx

from devtools.waiting import WAIT_SECONDS_MAX

T = TypeVar("T")
OUTCOMES = {"confirmed", "waitlisted", "sold_out", "released"}


@dataclass
class Crowd:
    """The responses a crowd got."""

    statuses: Counter[int] = field(default_factory=Counter)  #: counts of all responses, polls included
    tickets: dict[str, tuple[int, str]] = field(default_factory=dict)  #: pass -> (place, ticket)
    outcomes: dict[int, dict[str, object]] = field(default_factory=dict)  #: place -> last response to a poll

    async def buy(self, address: str, passes: Iterable[str], *, connections: int = 64) -> None:
        """Purchase once per buyer."""

        async def buy_one(client: httpx.AsyncClient, buyer_pass: str) -> None:
            answer = await client.post("/api/sales/1/purchase", headers={"Authorization": f"Bearer {buyer_pass}"})
            self.statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.ACCEPTED:
                document = answer.json()
                self.tickets[buyer_pass] = (document["place"], document["ticket"])

        await _share_out(address, passes, buy_one, connections)

    async def poll(self, address: str, *, connections: int = 64) -> None:
        """Poll until every buyer has an outcome, or the time limit is over."""
        give_up_at = asyncio.get_running_loop().time() + WAIT_SECONDS_MAX
        undecided = list(self.tickets.values())

        async def poll_one(client: httpx.AsyncClient, held: tuple[int, str]) -> None:
            place, ticket = held
            answer = await client.get(f"/api/tickets/{ticket}")
            self.statuses[answer.status_code] += 1
            self.outcomes[place] = answer.json()

        while undecided and asyncio.get_running_loop().time() < give_up_at:
            await _share_out(address, undecided, poll_one, connections)
            undecided = [held for held in undecided if self.outcomes[held[0]].get("status") not in OUTCOMES]

    def with_status(self, status: str) -> list[int]:
        """Return the places with this outcome, ascending."""
        return sorted(place for place, answer in self.outcomes.items() if answer.get("status") == status)


async def _share_out(
    address: str, items: Iterable[T], call: Callable[[httpx.AsyncClient, T], Awaitable[None]], connections: int
) -> None:
    """Distribute the items, in order, over workers with a connection each."""
    queue = iter(items)
    no_tls = httpx.create_ssl_context(verify=False)

    async def visitor() -> None:
        async with httpx.AsyncClient(base_url=address, timeout=WAIT_SECONDS_MAX, verify=no_tls) as client:
            for item in queue:
                await call(client, item)

    await asyncio.gather(*(visitor() for _ in range(connections)))
