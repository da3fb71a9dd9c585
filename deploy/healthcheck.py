"""``healthcheck.py PORT PATH``: exit with 0 if a server in this container responds 200, else with 1."""

import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4
OK = 200


def main(port: str, path: str) -> int:
    """Request the path, print status and body for ``docker inspect``, and return the exit status."""
    connection = HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path, headers={"X-Forwarded-Proto": "https"})  # as the proxy sends it
        answer = connection.getresponse()
        text = answer.read(500).decode(errors="replace")
    except (OSError, HTTPException) as error:
        text, status = repr(error), 0
    else:
        status = answer.status
    finally:
        connection.close()
    sys.stdout.write(f"{status} {text}\n")
    return 0 if status == OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
