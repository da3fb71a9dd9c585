"""Redis commands for logins: find revoked ones, issue passes, revoke."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings

from seckill import conf
from seckill.accounts.keys import LOGIN_KEYS
from seckill.accounts.logins import Login
from seckill.line.command import Command
from seckill.rate import Rate

LUA_DIR = Path(__file__).parent / "lua"
ISSUE_BATCH_MAX = 1000  #: logins in one call of `issue_passes` and `find_revoked`
REVOCATIONS_MAX = conf.REVOCATIONS_MAX

# In lifetimes of a cookie. Two, because a response in flight may set a cookie after its login was revoked.
KEEP_LIVES = 2


class PassResult(IntEnum):
    """The result of a request for a pass; the numbers are those of ``issue_passes.lua``."""

    ISSUED = 1  #: the pass may be signed
    REVOKED = 0  #: the login is revoked; only the session shows whether the user is logged in
    TOO_MANY = -1  #: the buyer has reached the limit of this window


@dataclass(frozen=True, slots=True)
class IssueResult:
    """The reply to a batch of requests for a pass."""

    results: list[PassResult]  #: one per request, in the same order
    retry_after_seconds: int  #: until buyers over the limit may ask again


def _flat(logins: Iterable[Login]) -> Iterable[str]:
    return chain.from_iterable((login.buyer, login.login_id, login.auth_hash) for login in logins)


def _issue(flat: Iterable[str], rate: Rate) -> Command[IssueResult]:
    def parse_reply(reply: list[Any]) -> IssueResult:
        until_next_ms, *results = reply
        return IssueResult([PassResult(result) for result in results], -(-until_next_ms // 1000))

    args: list[int | str] = [rate.limit, rate.window_seconds * 1000, *flat]
    return Command(f"{LUA_DIR}/issue_passes.lua", LOGIN_KEYS.all(), args, parse_reply)


def issue_passes(logins: Sequence[Login], rate: Rate) -> Command[IssueResult]:
    """Issue a pass to each of these logins, at most `ISSUE_BATCH_MAX`, unless it is revoked or over the limit."""
    return _issue(_flat(logins), rate)


def count_pass(buyer: str, rate: Rate) -> Command[IssueResult]:
    """Issue a pass to a buyer whose session Django has checked, with the same counts as `issue_passes`."""
    return _issue((buyer, "", ""), rate)


def find_revoked(logins: Sequence[Login]) -> Command[list[bool]]:
    """Find revoked logins; the result is whether each of these, at most `ISSUE_BATCH_MAX`, is revoked."""
    args: list[int | str] = [*_flat(logins)]
    return Command(f"{LUA_DIR}/find_revoked.lua", LOGIN_KEYS.all(), args, lambda reply: [one == 1 for one in reply])


def _revoke(member: str, auth_hash: str) -> Command[int]:
    keep_ms = KEEP_LIVES * settings.LOGIN_COOKIE_SECONDS * 1000
    args: list[int | str] = [member, auth_hash, keep_ms, REVOCATIONS_MAX]
    return Command(f"{LUA_DIR}/revoke.lua", LOGIN_KEYS.all(), args, lambda reply: int(reply[0]))


def revoke_login(login_id: str) -> Command[int]:
    """Revoke all cookies of this login, including later ones; the result is the number of stored revocations."""
    return _revoke(login_id, "")


def set_auth_hash(buyer: str, auth_hash: str) -> Command[int]:
    """Revoke the buyer's logins except those with this auth hash ('': all); the result is as in `revoke_login`."""
    return _revoke(buyer, auth_hash)
