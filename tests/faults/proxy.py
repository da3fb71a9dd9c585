"""Proxy between a process and a server, with which a test can refuse, stall or cut connections."""

import asyncio
import contextlib
import threading
from typing import Self

from devtools.waiting import WAIT_SECONDS_MAX

BYTES_MAX = 65_536
SERVER_SECONDS = 0.05  #: time for the server to process what it was sent before its end is cut too


class Proxy:
    """Forwards TCP connections to a server on this machine. The switches are thread-safe."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0  #: the address to connect to, once it runs
        self.cuts = 0  #: how often `cut_at` has cut
        self._cut_at: bytes | None = None
        self._cut_after = b""
        self._cut_before = False
        self._refusing = False
        self._flowing = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS_MAX)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS_MAX)

    # --- switches -------------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Close all connections, and every new one once it is accepted."""
        self._refusing = True
        self._loop.call_soon_threadsafe(self._cut_all)

    def stall(self) -> None:
        """Accept connections and forward nothing."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def cut_at(self, words: bytes, *, after: bytes, before: bool) -> None:
        """Close all connections, once, when ``words`` is sent on a connection on which ``after`` was sent.

        With ``before`` the server does not get them; otherwise it does, and its response is lost.
        """
        self._cut_after = after
        self._cut_before = before
        self._cut_at = words

    def mend(self) -> None:
        """Forward everything again."""
        self._refusing = False
        self._loop.call_soon_threadsafe(self._flowing.set)

    # --- forwarding -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flowing.set()
        listening = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        listening.close()
        self._cut_all()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        both = {writer, server_writer}
        self._open |= both
        there = asyncio.create_task(self._pass_on(reader, server_writer, sender=writer))
        back = asyncio.create_task(self._pass_on(server_reader, writer, sender=None))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        there.cancel()
        back.cancel()
        self._open -= both
        for end in both:
            end.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, sender: asyncio.StreamWriter | None
    ) -> None:
        """Forward one direction. ``sender`` is the client's connection when the client sends."""
        marked = False
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(BYTES_MAX):
                await self._flowing.wait()
                marked = marked or (self._cut_after != b"" and self._cut_after in data)
                cut = marked and self._cut_at is not None and self._cut_at in data
                if cut and sender is not None:
                    self._cut_at = None
                    sender.transport.abort()
                if not (cut and self._cut_before):
                    writer.write(data)
                    await writer.drain()
                if cut:
                    self._loop.call_later(SERVER_SECONDS, self._cut)
                    return

    def _cut(self) -> None:
        self._cut_all()
        self.cuts += 1

    def _cut_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()
