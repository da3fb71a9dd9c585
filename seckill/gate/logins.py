"""Logins: *who am I*, and passes, by the login cookie, without Django.

Redis stores which logins are revoked, and counts the passes. A request without a session gets 401 here. A request
that the cookie can't decide (it is missing, too old or revoked, or the request is not from our page) is forwarded to
Django, which looks the session up, sends the same response, and sets a new cookie.
"""

import time

import structlog
from django.conf import settings

from seckill.accounts.cookies import read_cookies
from seckill.accounts.csrf import is_from_our_page
from seckill.accounts.login_commands import ISSUE_BATCH_MAX, PassResult, find_revoked, issue_passes
from seckill.accounts.logins import Login, account_json, read_login
from seckill.errors.problems import Problem
from seckill.gate.batcher import Batcher
from seckill.gate.deferred import DeferredResponses
from seckill.gate.request import Caller, Request
from seckill.gate.response import Response, encode, json_head, problem_response
from seckill.gate.snapshots import CachedSnapshot, Snapshots
from seckill.line.line import AsyncLine
from seckill.line.passes import pass_json
from seckill.line.state import State

log = structlog.get_logger(__name__)

FOUND = json_head(200)
NOT_LOGGED_IN = problem_response(Problem.NOT_LOGGED_IN, "", (b"www-authenticate", b"Session"))
CLOSED = problem_response(Problem.CLOSED)
TOO_MANY_WAIT = problem_response(Problem.UNAVAILABLE)

PassRequest = tuple[Login, int, CachedSnapshot, Caller]  # login, sale id, cached snapshot, caller


class Logins:
    """Serves *who am I* and issues passes, in batches over all sales."""

    def __init__(self, line: AsyncLine, snapshots: Snapshots, late: DeferredResponses) -> None:
        self._line = line
        self._snapshots = snapshots
        self._late = late
        self._passes: Batcher[PassRequest] = Batcher(self._issue, self._fail_passes, largest=ISSUE_BATCH_MAX)
        self._names: Batcher[tuple[Login, Caller]] = Batcher(self._name, self._fail_names, largest=ISSUE_BATCH_MAX)

    def me(self, caller: Request) -> None:
        """Respond 200 with the account, or 401 without a session."""
        login = self._login("GET", caller)
        if login is None:
            return
        if not login.is_fresh(_now_ms()):
            caller.forward()  # for a new cookie
        elif not self._names.submit((login, caller)):
            caller.respond(TOO_MANY_WAIT)

    def issue_pass(self, sale_id: int, caller: Request) -> None:
        """Respond 200 with a pass, 401 without a session, 403 if the sale is closed, 429 over the rate limit."""
        login = self._login("POST", caller)
        if login is None:
            return
        cached = self._snapshots.fresh(sale_id)
        if cached is None:
            self._late.start(self._issue_late(login, sale_id, caller), caller)
        else:
            self._submit(login, sale_id, cached, caller)

    def _login(self, method: str, request: Request) -> Login | None:
        """Return the login of the request's cookie, or None after responding to the request or forwarding it."""
        fields = request.fields
        # Django decides about requests with a repeated header.
        if request.method != method or len(fields) != len(request.headers):
            request.forward()
            return None
        header = fields.get(b"cookie", b"")
        cookies = read_cookies(header)
        if settings.SESSION_COOKIE_NAME not in cookies and (cookies or not header):
            request.respond(NOT_LOGGED_IN)
            return None
        login = read_login(cookies, _now_ms())
        if login is None or (method == "POST" and not is_from_our_page(fields, cookies, "http")):
            request.forward()
            return None
        return login

    # --- Who am I -------------------------------------------------------------------------------------------------

    async def _name(self, asking: list[tuple[Login, Caller]]) -> None:
        void = await self._line.run(find_revoked([login for login, _ in asking]))
        for (login, caller), is_void in zip(asking, void, strict=True):
            if is_void:
                caller.forward()
            else:
                caller.respond(Response(200, FOUND, encode(account_json(login.username))))

    async def _fail_names(self, asking: list[tuple[Login, Caller]], error: Exception) -> None:
        log.warning("logins_not_checked", error=str(error))
        for _, caller in asking:
            caller.forward()  # Django responds from the session

    # --- Passes -----------------------------------------------------------------------------------------------------

    async def _issue_late(self, login: Login, sale_id: int, caller: Caller) -> None:
        cached = await self._snapshots.get(sale_id)
        if cached is None:
            caller.forward()  # Django looks the sale up in the ledger
        else:
            self._submit(login, sale_id, cached, caller)

    def _submit(self, login: Login, sale_id: int, cached: CachedSnapshot, caller: Caller) -> None:
        if cached.snapshot.state() is State.CLOSED:
            caller.respond(CLOSED)
        elif not self._passes.submit((login, sale_id, cached, caller)):
            caller.respond(TOO_MANY_WAIT)

    async def _issue(self, wanted: list[PassRequest]) -> None:
        issued = await self._line.run(issue_passes([login for login, _, _, _ in wanted], settings.PASS_RATE))
        retry_after = (b"retry-after", b"%d" % issued.retry_after_seconds)
        for (login, sale_id, cached, caller), response in zip(wanted, issued.results, strict=True):
            if response == PassResult.ISSUED:
                snapshot = cached.snapshot
                document = pass_json(sale_id, login.buyer, opens_ms=snapshot.opens_ms, closes_ms=snapshot.closes_ms)
                caller.respond(Response(200, FOUND, encode(document)))
            elif response == PassResult.TOO_MANY:
                caller.respond(problem_response(Problem.THROTTLED, "", retry_after))
            else:
                caller.forward()

    async def _fail_passes(self, wanted: list[PassRequest], error: Exception) -> None:
        log.warning("passes_not_counted", error=str(error))
        for _, _, _, caller in wanted:
            caller.forward()


def _now_ms() -> int:
    return int(time.time() * 1000)
