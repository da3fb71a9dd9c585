"""``python -m loadtest.benchmark.hold PORT COUNT``: hold so many connections, each answered once, until stdin ends.

Prints a line when all are held. Exits with 1 when some were not answered.
"""

import asyncio
import sys

import uvloop

from loadtest.benchmark.connection import Connection, connect, request

ASKED = request("GET", "/api/sales/1/progress")
AWAIT_SECONDS_MAX = 60


async def hold(port: int, count: int) -> bool:
    """Hold them; whether all were answered."""
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
    """Read the arguments and hold."""
    port, count = sys.argv[1:]
    sys.exit(0 if uvloop.run(hold(int(port), int(count))) else 1)


if __name__ == "__main__":
    main()
