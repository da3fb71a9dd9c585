"""The examples: external programs with our broker's URL and without our code, against a real worker."""

import ast
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from celery_task.notification_task import dispatch_events
from celery_task.queues import ON_REDIS
from devtools.embedded.child import Child
from devtools.embedded.shop import PROJECT
from devtools.waiting import WAIT_SECONDS_MAX, wait_until
from orders.models import Event, Order
from orders.payment import pay
from seckill.line.line import Line
from tests.conftest import MakeSale
from tests.orders.crowd import entries, sell
from tests.workers.conftest import StartWorker

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = PROJECT / "examples"
BELONGS_TO_OTHERS = {"kombu", "celery", *sys.stdlib_module_names}


class Program:
    """An example as a process in a directory from which it cannot import the shop's code."""

    def __init__(self, directory: Path, name: str, *arguments: str) -> None:
        self._output = directory / f"{name}.out"
        with self._output.open("wb") as output:
            self.process = Child(
                [sys.executable, "-I", EXAMPLES / name, settings.CELERY_BROKER_URL, *arguments],
                cwd=directory, env={"PATH": os.environ["PATH"]}, stdout=output,
            )  # fmt: skip

    def lines(self) -> list[str]:
        """Return the lines it has printed."""
        return self._output.read_text().splitlines()

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=WAIT_SECONDS_MAX)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "order_events.py", "warehouse")
    try:
        wait_until("it listens", lambda: "listening" in program.lines())
        yield program
    finally:
        program.process.kill()
        program.process.wait()
        print(*program.lines(), sep="\n")


def test_other_programs_receive_order_events_and_cancel_an_order(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, listening: Program, tmp_path: Path
) -> None:
    sale = make_sale(stock=2)
    orders = sell(line, sale, "ann", "ben")
    pay(orders["ben"])
    start_worker("orders,notifications", "--pool", "solo")

    for buyer in ("ann", "ben"):  # ben's order is decided and does not change
        cancelling = Program(tmp_path, "cancel_order.py", orders[buyer].number)
        assert cancelling.process.wait(timeout=WAIT_SECONDS_MAX) == 0
        assert re.fullmatch(r"sent [0-9a-f-]{36}", cancelling.lines()[0])

    wait_until("ann's order is cancelled", lambda: Order.objects.filter(buyer="ann", status="cancelled").exists())
    dispatch_events.apply_async()
    wait_until("it was heard of", lambda: len(listening.lines()) >= 4)
    ann, ben = orders["ann"].number, orders["ben"].number
    assert [re.sub(r" \d+ sale \d+", "", told) for told in listening.lines()] == [
        "listening",
        f"orders.confirmed: {ann} {ben}",
        f"orders.paid: {ben}",
        f"orders.cancelled: {ann}",
    ]
    assert entries(sale) == [(1, "ann", "cancelled"), (2, "ben", "paid")]
    assert listening.interrupt() == 0
    assert listening.lines()[-1] == "stopped"


@pytest.mark.skipif(ON_REDIS, reason="Redis keeps no event for who is away")
def test_what_happens_while_a_program_is_away_waits_for_it(
    make_sale: MakeSale, line: Line, start_worker: StartWorker, listening: Program, tmp_path: Path
) -> None:
    assert listening.interrupt() == 0
    start_worker("notifications", "--pool", "solo")
    order = sell(line, make_sale(stock=1), "ann")["ann"]
    dispatch_events.apply_async()
    wait_until("it is published", lambda: Event.objects.filter(published_at__isnull=False).exists())

    again = Program(tmp_path, "order_events.py", "warehouse")

    wait_until("it was heard of", lambda: len(again.lines()) >= 2)
    assert again.interrupt() == 0
    assert [re.sub(r" \d+ sale \d+", "", told) for told in again.lines()] == [
        "listening",
        f"orders.confirmed: {order.number}",
        "stopped",
    ]


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_imports_nothing_of_the_shop(example: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(example.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])

    assert imported
    assert imported - BELONGS_TO_OTHERS == set()
