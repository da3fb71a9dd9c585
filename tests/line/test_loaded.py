"""A sale counts as loaded only on the server run it was loaded on, unless that server syncs every response to disk."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from devtools.embedded.valkey import Valkey
from devtools.waiting import wait_until
from seckill.line import commands
from seckill.line.command import Command
from seckill.line.commands import Reservation, SaleNotLoadedError
from seckill.line.line import Line
from tests.line.sale_in_line import CANCELLED, SaleInLine, order

RUN_ID = "0123456789abcdef0123456789abcdef01234567"


def every_verb(sale: SaleInLine) -> list[Command[Any]]:
    """Return each command that requires a loaded sale."""
    return [
        commands.admit(sale.id, ["ben"]),
        commands.reserve(sale.id, "claim 2", upto=9, chunk=9, lease_seconds=60),
        commands.confirm(Reservation("claim 1", sale.id, 1, [(1, "ann")]), [("ann", order("1"))]),
        commands.release(sale.id, [("ann", CANCELLED)]),
        commands.rejoin(sale.id, "ben", 2),
        commands.configure(sale.id, sale.config(stock=5)),
        commands.end_sale(sale.id),
    ]


def test_another_server_knows_nothing_and_changes_nothing(unloaded_sale: SaleInLine) -> None:
    sale = unloaded_sale
    sale.rebuild(sale.config(stock=3))
    sale.admit("ann")
    sale.line.client.hset(sale.keys.meta, "server", RUN_ID)
    before = sale.contents()

    for command in every_verb(sale):
        with pytest.raises(SaleNotLoadedError):
            sale.line.run(command)
    assert sale.line.run(commands.snapshot(sale.id, lease_seconds=60)) is None

    assert sale.contents() == before


@pytest.mark.parametrize("watched", [True, False], ids=["its own run id", "no run id"])
def test_the_same_server_knows_and_so_does_any_where_nothing_can_be_lost(
    unloaded_sale: SaleInLine, watched: bool
) -> None:
    sale = unloaded_sale
    own = sale.line.client.info("server")["run_id"] if watched else ""
    sale.rebuild(sale.config(stock=3), server=own)
    assert sale.admit("ann") == [1]
    for command in every_verb(sale):
        sale.line.run(command)
    assert sale.snapshot().stock_total == 5


def test_a_line_built_before_this_rule_is_built_again(unloaded_sale: SaleInLine) -> None:
    sale = unloaded_sale
    sale.rebuild(sale.config(stock=3))
    sale.line.client.hdel(sale.keys.meta, "server")

    with pytest.raises(SaleNotLoadedError):
        sale.admit("ann")


@contextmanager
def running(directory: Path, *flags: str) -> Iterator[tuple[Valkey, Line]]:
    """Yield a running server with these flags, and a line on it."""
    valkey = Valkey(directory, flags=flags)
    valkey.start()
    try:
        with redis.Redis.from_url(valkey.url(0), decode_responses=True) as client:
            yield valkey, Line(client)
    finally:
        valkey.stop()


@pytest.mark.parametrize(
    ("flags", "watched"),
    [
        ((), False),
        (("--appendfsync", "everysec"), True),
        (("--appendonly", "no"), True),
        (("--rename-command", "CONFIG", ""), True),  # as on hosted servers
    ],
    ids=["always", "everysec", "no file", "a server that does not say"],
)
def test_a_server_is_watched_unless_it_writes_before_it_answers(
    tmp_path: Path, flags: tuple[str, ...], watched: bool
) -> None:
    with running(tmp_path / "valkey", *flags) as (_, line):
        assert line.server_run_id_if_volatile() == (line.client.info("server")["run_id"] if watched else "")


def test_a_server_with_a_replica_is_watched_and_so_is_the_replica(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first, first_line = stack.enter_context(running(tmp_path / "first"))
        replica = ("--replicaof", f"127.0.0.1 {first.port}")
        _, second_line = stack.enter_context(running(tmp_path / "second", *replica))
        wait_until("the replica follows", lambda: first_line.client.info("replication")["connected_slaves"] == 1)

        assert first_line.server_run_id_if_volatile() == first_line.client.info("server")["run_id"]
        assert second_line.server_run_id_if_volatile() == second_line.client.info("server")["run_id"]


@pytest.mark.parametrize("flags", [(), ("--appendfsync", "everysec")], ids=["always", "everysec"])
def test_after_a_restart(tmp_path: Path, flags: tuple[str, ...]) -> None:
    with running(tmp_path / "valkey", *flags) as (valkey, line):
        sale = SaleInLine(line, 7)
        sale.rebuild(sale.config(stock=3), server=line.server_run_id_if_volatile())
        assert sale.admit("ann") == [1]

        valkey.stop(signal.SIGTERM)
        valkey.start()

        if flags:
            with pytest.raises(SaleNotLoadedError):
                sale.admit("ben")
        else:
            assert sale.admit("ben", "ann") == [2, 1]
