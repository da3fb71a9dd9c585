"""Requests as bytes, and what an echo server makes of them."""

from tests.gate.echo import Echo, EchoServer
from tests.gate.gate_server import problem
from tests.gate.wire import Wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


END = b"\r\n"


async def refused(server: EchoServer, sent: bytes) -> tuple[int, str]:
    """Return status and code of the only response to these bytes. The application must not be called."""
    async with await Wire.open(server.port) as wire:
        wire.send(sent)
        answer = await wire.answer()
        assert answer["connection"] == "close"
        assert answer["date"]
        assert await wire.rest() == b""
    assert server.seen == []
    return problem(answer)


async def heard(server: EchoServer, sent: bytes) -> Echo:
    """Return the request the application received, the only one in these bytes."""
    async with await Wire.open(server.port) as wire:
        wire.send(sent)
        assert (await wire.answer()).status_code == 200
    [echo] = server.seen
    return echo
