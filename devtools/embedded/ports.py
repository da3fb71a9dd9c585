"""Free TCP ports on the loopback interface."""

import socket
from random import SystemRandom

# Below the ports from which Linux and macOS choose for outgoing connections, so that no client gets the port between
# the choice and the start of its server. Random, so that test processes side by side do not choose the same.
FIRST, END = 10_240, 32_768


def free_port() -> int:
    """Return a TCP port that is currently free."""
    while is_taken(port := SystemRandom().randrange(FIRST, END)):
        pass
    return port


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether binding the port fails."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
