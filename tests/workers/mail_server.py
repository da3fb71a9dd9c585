"""A mail server that accepts and keeps all mails: the part of SMTP that Django uses."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import Message


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            command = line.split(maxsplit=1)[0].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(message_from_string(text.decode()))  # type: ignore[attr-defined]  # ours
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 yes\r\n")
            if command == b"QUIT":
                return


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def mail_server(port: int) -> Iterator[list[Message]]:
    """Run the server; yield the list to which mails are appended."""
    with _Server(("127.0.0.1", port), _Session) as server:
        server.mails = mails = list[Message]()  # type: ignore[attr-defined]  # ours
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield mails
        server.shutdown()
        thread.join()
