"""All keys of a sale share a cluster slot, as do all keys of logins, and no command accesses two slots."""

from dataclasses import astuple
from typing import Any

import pytest
from redis.crc import key_slot

from seckill.accounts import login_commands as login_verbs
from seckill.accounts.keys import LOGIN_KEYS
from seckill.accounts.logins import Login
from seckill.line import commands
from seckill.line.command import Command
from seckill.line.commands import Reservation, SaleConfig
from seckill.line.keys import sale_keys
from seckill.line.outcome import Released
from seckill.rate import Rate

CONFIG = SaleConfig(stock_total=3, opens_ms=1, closes_ms=2, status="open", line_limit=9)


def test_the_eight_keys_of_a_sale_are_eight_names_in_one_slot() -> None:
    names = astuple(sale_keys(7))

    assert len(set(names)) == 8
    assert {key_slot(name.encode()) for name in names} == {key_slot(b"sale:7")}


def test_two_sales_share_no_key() -> None:
    assert set(astuple(sale_keys(7))) & set(astuple(sale_keys(71))) == set()


@pytest.mark.parametrize(
    "command",
    [
        commands.admit(7, ["zoe"]),
        commands.reserve(7, "claim", upto=1, chunk=1, lease_seconds=1),
        commands.confirm(Reservation("claim", 7, 1, [(1, "zoe")]), []),
        commands.release(7, [("zoe", Released("expired"))]),
        commands.restore(7, [(1, "zoe", Released("expired"))]),
        commands.rebuild(7, CONFIG, epoch=1, stock=3, pointer=0, rejoin_seconds=0, ended_ms=0, server=""),
        commands.rejoin(7, "zoe", 1),
        commands.configure(7, CONFIG),
        commands.end_sale(7),
        commands.snapshot(7, lease_seconds=1),
    ],
    ids=lambda command: command.script,
)
def test_a_verb_touches_keys_of_its_own_sale_only(command: Command[Any]) -> None:
    assert len(command.keys) >= 2
    assert set(command.keys) <= set(astuple(sale_keys(7)))
    assert len(set(command.keys)) == len(command.keys)


LOGIN = Login("u17", "login-id", "mark", 1, "zoe")


@pytest.mark.parametrize(
    "command",
    [
        login_verbs.issue_passes([LOGIN], Rate(60, 60)),
        login_verbs.count_pass("u17", Rate(60, 60)),
        login_verbs.find_revoked([LOGIN]),
        login_verbs.revoke_login("login-id"),
        login_verbs.set_auth_hash("u17", "mark"),
    ],
    ids=lambda command: command.script,
)
def test_a_verb_of_logins_touches_their_keys_only_and_these_live_in_one_slot(command: Command[Any]) -> None:
    assert {key_slot(name.encode()) for name in astuple(LOGIN_KEYS)} == {key_slot(b"logins")}
    assert set(command.keys) <= set(astuple(LOGIN_KEYS))
    assert len(set(astuple(LOGIN_KEYS))) == 3
