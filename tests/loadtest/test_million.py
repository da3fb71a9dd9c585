"""The bench: the audit of a million purchases."""

import signal
from pathlib import Path

from rich.console import Console

from devtools.embedded.shop import PROCESSES
from loadtest.benchmark import million
from loadtest.benchmark.million import Course, audit
from loadtest.benchmark.shop import MeasuredShop, key
from tests import servers


def test_two_thousand_of_a_million(shop: MeasuredShop, tmp_path: Path) -> None:
    course = million.run(Console(quiet=True), shop, tmp_path / "passes", 2_000, "now")

    assert course.holds, [check for check in course.audit if not check.holds]
    assert course.statuses == {"202": 2_000}
    assert 0 < course.accepted_seconds < course.committed_seconds + million.LOOK_SECONDS
    postgres = set() if servers.postgres is None else {"postgres"}
    assert set(course.memory_peak) == {*PROCESSES, "valkey"} | postgres
    assert course.valkey_memory > 1_000_000
    assert course.database_size > 1_000_000
    told = dict(million.lines(course))
    assert told["audit: orders"] == "2000 ✓"
    assert course.seen[-1][1:] == (2_000, 2_000)
    assert course.seen == sorted(course.seen)


def test_courses_stand_beside_each_other_and_in_one_chart(tmp_path: Path) -> None:
    courses = [Course("v1", 10, seen=[(0.5, 4, 1), (2.0, 10, 10)]), Course("now", 10, seen=[(0.2, 10, 10)])]
    assert million.columns([[["orders", "1"], ["web", "2"]], [["orders", "3"], ["gate", "4"]]]) == [
        ["orders", "1", "3"],
        ["web", "2", "-"],
        ["gate", "-", "4"],
    ]
    for several in (courses, courses[1:]):
        million.chart(several, tmp_path / "chart.svg")
        million.chart(several, tmp_path / "chart.png")
        assert "</svg>" in (tmp_path / "chart.svg").read_text(encoding="utf-8")
        assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_seconds_count_from_the_first_purchase() -> None:
    course = Course("now", 10, committed_seconds=1_003.0, seen=[(999.8, 0, 0), (1_000.5, 4, 1), (1_003.0, 10, 10)])
    course.begin(1_000.0)
    assert (course.committed_seconds, course.seen) == (3.0, [(0.5, 4, 1), (3.0, 10, 10)])
    never = Course("now", 10)
    never.begin(1_000.0)
    assert never.committed_seconds == 0.0


def test_the_audit_finds_what_is_wrong(shop: MeasuredShop, tmp_path: Path) -> None:
    course = million.run(Console(quiet=True), shop, tmp_path / "passes", 200, "now")
    assert course.holds
    for part in ("beat", "worker"):  # no sweeper repairs the damage here
        shop.shop.end(part, signal.SIGKILL)
    ((sale,),) = shop.shop.sql("SELECT max(id) FROM catalog_sale")
    keys = {name: key(sale, name) for name in ("stock", "pending", "outcomes", "line")}
    holes = "places with an order, first to last, without a hole"

    assert violated(shop, sale, Course("now", 200, statuses={"202": 199, "503": 1})) == ["answers: all 202"]
    for table, breaking, mending, found in (
        ("orders_order", "place = 201", "place = 100", holes),
        ("catalog_sale", "stock = 199, sold = 199", "stock = 200, sold = 200", "oversold"),
        ("catalog_sale", "sold = 199", "sold = 200", "the sale's own count of sold units"),
    ):
        rows = f"sale_id = {sale} AND place IN (100, 201)" if table == "orders_order" else f"id = {sale}"
        shop.shop.sql(f"UPDATE {table} SET {breaking} WHERE {rows}")  # noqa: S608 (ours)
        assert violated(shop, sale, course) == [found]
        shop.shop.sql(f"UPDATE {table} SET {mending} WHERE {rows}")  # noqa: S608 (ours)
        assert violated(shop, sale, course) == []

    shop.redis.incr(keys["stock"])
    assert violated(shop, sale, course) == ["units left in Redis"]
    shop.redis.hset(keys["pending"], "claim", "1 1 1 1")
    assert violated(shop, sale, course) == ["reservations in Redis", "units left in Redis"]
    shop.redis.hdel(keys["outcomes"], "x:b7")
    shop.redis.rpush(keys["line"], "x:b201")
    wrong_in_redis = ["places in line", "outcomes in Redis", "reservations in Redis", "units left in Redis"]
    assert violated(shop, sale, course) == wrong_in_redis
    shop.shop.sql(f"DELETE FROM orders_order WHERE sale_id = {sale} AND place = 200")  # noqa: S608 (ours)
    assert violated(shop, sale, course) == ["orders", "buyers with an order", holes, *wrong_in_redis]


def violated(shop: MeasuredShop, sale: int, course: Course) -> list[str]:
    return [check.name for check in audit(shop, sale, course) if not check.holds]
