"""The commands of logins: which are void, who gets a pass, and what ends them. They build calls as `commands` does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any

from django.conf import settings

from seckill.accounts.logins import Login
from seckill.line.commands import Command
from seckill.line.keys import LOGIN_KEYS
from seckill.rate import Rate

ISSUE_BATCH_MAX = 1000  #: logins in one call of `issue_passes` and `revoke_all_logins`
REVOCATIONS_MAX = 200_000  #: ended logins and changed accounts that Redis remembers

# Twice as long as a cookie lives: an answer that was under way when a login ended may bring a cookie after that.
KEEP_LIVES = 2


class PassResult(IntEnum):
    """What becomes of a buyer who asks for a pass; the numbers are those of ``issue.lua``."""

    ISSUED = 1  #: the pass may be signed
    VOID = 0  #: the login has ended; only the session knows whether its owner is logged in
    TOO_MANY = -1  #: the buyer had as many as the limit allows in this window


@dataclass(frozen=True, slots=True)
class IssueResult:
    """The answer to a group of buyers who asked for a pass."""

    results: list[PassResult]  #: for each of them, in the order asked
    retry_after_seconds: int  #: until those who had too many may ask again


def _flat(logins: Iterable[Login]) -> Iterable[str]:
    return chain.from_iterable((login.buyer, login.login_id, login.mark) for login in logins)


def _issue(flat: Iterable[str], rate: Rate) -> Command[IssueResult]:
    def parse_reply(reply: list[Any]) -> IssueResult:
        until_next_ms, *answers = reply
        return IssueResult([PassResult(answer) for answer in answers], -(-until_next_ms // 1000))

    keys = [LOGIN_KEYS.marks, LOGIN_KEYS.passes]
    return Command("issue", keys, [rate.limit, rate.window_seconds * 1000, *flat], parse_reply, prelude="void")


def issue_passes(logins: Sequence[Login], rate: Rate) -> Command[IssueResult]:
    """Which of these logins, at most `ISSUE_BATCH_MAX`, get a pass."""
    return _issue(_flat(logins), rate)


def count_pass(buyer: str, rate: Rate) -> Command[IssueResult]:
    """Whether a buyer whose session was looked up gets a pass: by the same counts as `issue_passes`."""
    return _issue((buyer, "", ""), rate)


def revoke_all_logins(logins: Sequence[Login]) -> Command[list[bool]]:
    """For each of these logins, at most `ISSUE_BATCH_MAX`: whether it is void."""
    return Command(
        "void_logins",
        [LOGIN_KEYS.marks],
        list(_flat(logins)),
        lambda reply: [answer == 1 for answer in reply],
        prelude="void",
    )


def _end(member: str, mark: str) -> Command[int]:
    keep_ms = KEEP_LIVES * settings.LOGIN_COOKIE_SECONDS * 1000
    return Command(
        "end_login",
        [LOGIN_KEYS.marks, LOGIN_KEYS.ended],
        [member, mark, keep_ms, REVOCATIONS_MAX],
        lambda reply: int(reply[0]),
        prelude="void",
    )


def revoke_login(login_id: str) -> Command[int]:
    """This login has ended: every cookie of it is void, also one that is issued later; gives how many are known."""
    return _end(login_id, "")


def set_auth_hash(buyer: str, mark: str) -> Command[int]:
    """The buyer's account changed: only logins with this mark are valid, with '' none; gives how many are known."""
    return _end(buyer, mark)
