"""SIGKILL of any process at any point of a purchase: nothing is lost and nothing is sold twice."""

import os
import signal

import pytest

from devtools.waiting import wait_until
from tests.faults.conftest import MakeCase
from tests.faults.fail_points import FailPoint
from tests.faults.shop import FaultyShop

VICTIMS = ("worker child", "worker", "gate process", "beat")
IN_EVERY_TEST_RUN = {
    ("gate process", FailPoint.ADMITTED),
    ("worker child", FailPoint.INSERTED),
    ("worker", FailPoint.COMMITTED),
}


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(
            victim,
            point,
            marks=[] if (victim, point) in IN_EVERY_TEST_RUN else [pytest.mark.thorough],
            id=f"{victim} {point}",
        )
        for victim in VICTIMS
        for point in FailPoint
    ],
)
def test_killed(shop: FaultyShop, make_case: MakeCase, victim: str, point: FailPoint) -> None:
    case = make_case(shop)
    shop.fail_points.arm(point)
    with case:
        wait_until("somebody comes by", lambda: shop.fail_points.stopped(point))
        case.broken()
        stopped = shop.fail_points.stopped(point)
        if stopped in {"worker child": shop.children("worker"), "gate process": shop.children("web")}.get(victim, []):
            os.kill(stopped, signal.SIGKILL)
        else:
            shop.kill(victim, case.seed)
        shop.fail_points.let_go(point)
        shop.supervise()
        case.recovers()
