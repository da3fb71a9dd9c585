"""``python -m loadtest.benchmark.hold PORT COUNT``: hold COUNT connections until stdin ends.

Each connection sends one request and reads the response. Prints a line when all are held. Exits with 1 when a request
was not answered.
"""

import asyncio
import sys

import uvloop

from loadtest.benchmark.connection import Connection, connect, request

ASKED = request("GET", "/api/sales/1/progress")
AWAIT_SECONDS_MAX = 60


async def hold(port: int, count: int) -> bool:
    """Hold the connections; return whether all requests were answered."""
    answers: list[str] = []
    everybody = asyncio.Event()

    def answered(_connection: Connection, status: str, _answer: bytes) -> None:
        answers.append(status)
        if len(answers) == count:
            everybody.set()

    for connection in await connect(port, count, answered):
        connection.ask(ASKED)
    await asyncio.wait_for(everybody.wait(), AWAIT_SECONDS_MAX)
    held = answers == ["200"] * count
    print("held" if held else f"{count - answers.count('200')} were not answered 200", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return held


def main() -> None:
    """Parse the arguments and hold the connections."""
    port, count = sys.argv[1:]
    sys.exit(0 if uvloop.run(hold(int(port), int(count))) else 1)


if __name__ == "__main__":
    main()
