"""Gate: the routes that a web process serves itself. It does HTTP only: the rules of a sale are in the line."""

from seckill.errors.problems import Problem
from seckill.gate.deferred import DeferredResponses
from seckill.gate.logins import Logins
from seckill.gate.not_loaded_sales import NotLoadedSales
from seckill.gate.progress import ProgressCalls
from seckill.gate.purchase import Purchases
from seckill.gate.request import Request
from seckill.gate.response import problem_response
from seckill.gate.snapshots import Snapshots
from seckill.gate.ticket import Tickets
from seckill.line.line import open_async_line

GET_ONLY = problem_response(Problem.METHOD_NOT_ALLOWED, "", (b"allow", b"GET, HEAD"))
POST_ONLY = problem_response(Problem.METHOD_NOT_ALLOWED, "", (b"allow", b"POST"))


class Gate:
    """Serves purchases, polls, progress, passes and *who am I*. Create it in the event loop that serves."""

    def __init__(self) -> None:
        self._line = open_async_line()
        late = DeferredResponses()
        not_loaded = NotLoadedSales()
        snapshots = Snapshots(self._line)
        self._purchases = Purchases(self._line, not_loaded)
        self._tickets = Tickets(self._line, snapshots, not_loaded, late)
        self._progress = ProgressCalls(snapshots, not_loaded, late)
        self._logins = Logins(self._line, snapshots, late)

    async def close(self) -> None:
        """Ring the pending doorbells, then close the connections to Redis."""
        await self._purchases.close()
        await self._line.close()

    def handle(self, request: Request) -> None:
        """Respond to a request for a route of the gate, now or later."""
        assert request.target.route is not None  # noqa: S101 (for the type checker: other requests go to Django)
        name, key = request.target.route
        if name == "purchase":
            if request.method == "POST":
                self._purchases.handle(int(key), request.fields.get(b"authorization", b""), request)
            else:
                request.respond(POST_ONLY)
        elif name == "pass":
            self._logins.issue_pass(int(key), request)
        elif name == "me":
            self._logins.me(request)
        elif request.method not in ("GET", "HEAD"):
            request.respond(GET_ONLY)
        elif name == "ticket":
            self._tickets.handle(key, request)
        else:
            self._progress.handle(int(key), request)
