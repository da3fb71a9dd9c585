"""A crowd: many buyers at once, a fixed number of connections, everybody polls to the end."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

OUTCOMES = {"confirmed", "waitlisted", "sold_out", "released"}


@dataclass
class Crowd:
    """What a crowd met with."""

    statuses: Counter[int] = field(default_factory=Counter)  #: of every answer, polls included
    tickets: dict[str, tuple[int, str]] = field(default_factory=dict)  #: pass -> (place, ticket)
    outcomes: dict[int, dict[str, object]] = field(default_factory=dict)  #: place -> last answer to a poll

    async def buy(self, address: str, passes: Iterable[str], *, connections: int = 64) -> None:
        """Everybody buys once; who is refused a connection tries again."""
        queue = iter(list(passes))

        async def visitor(client: httpx.AsyncClient) -> None:
            for buyer_pass in queue:
                answer = await client.post("/api/sales/1/purchase", headers={"Authorization": f"Bearer {buyer_pass}"})
                self.statuses[answer.status_code] += 1
                if answer.status_code == httpx.codes.ACCEPTED:
                    document = answer.json()
                    self.tickets[buyer_pass] = (document["place"], document["ticket"])

        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            await asyncio.gather(*(visitor(client) for _ in range(connections)))

    async def poll(self, address: str, *, seconds_max: float, connections: int = 64) -> None:
        """Everybody polls until told an outcome, or until the time is over."""
        give_up_at = asyncio.get_running_loop().time() + seconds_max
        undecided = list(self.tickets.values())
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            while undecided and asyncio.get_running_loop().time() < give_up_at:
                queue = iter(undecided)
                undecided_next: list[tuple[int, str]] = []

                async def visitor(queue: Iterable[tuple[int, str]], still: list[tuple[int, str]]) -> None:
                    for place, ticket in queue:
                        answer = await client.get(f"/api/tickets/{ticket}")
                        self.statuses[answer.status_code] += 1
                        self.outcomes[place] = answer.json()
                        if self.outcomes[place].get("status") not in OUTCOMES:
                            still.append((place, ticket))

                await asyncio.gather(*(visitor(queue, undecided_next) for _ in range(connections)))
                undecided = undecided_next

    def told(self, status: str) -> list[int]:
        """The places that were told this, ascending."""
        return sorted(place for place, answer in self.outcomes.items() if answer.get("status") == status)
