"""A million purchases by a million buyers, each with an order in the ledger, followed by an audit."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import psutil
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rich.console import Console
from rich.table import Table

from loadtest.benchmark.costs import memory_bytes
from loadtest.benchmark.generator import running
from loadtest.benchmark.report import Facts, fact_lines, markdown_table, number, write
from loadtest.benchmark.revision import Revision
from loadtest.benchmark.shop import MeasuredShop, key, line_of
from loadtest.benchmark.stage import open_stage
from loadtest.comparison.result import Check
from loadtest.machine import hardware, versions

LOOK_SECONDS = 0.2
SAMPLE_SECONDS = 1.0  # memory
TELL_SECONDS = 5.0
STUCK_SECONDS = 60.0

WIDTH, HEIGHT = 7.0, 4.0  #: of the chart, inches
COLOURS = ("#b34700", "#0b66c3")  #: colours: baseline, today's code

NOTE = (
    "Purchases come over 100 connections, each pass once. Seconds count from the first purchase. Memory: the most of"
    f" samples taken once a second, {'PSS (what processes share is counted once)' if psutil.LINUX else 'RSS'}."
)


@dataclass(slots=True)
class Course:
    """Results of one run. Times are seconds since the first purchase."""

    label: str  #: the revision
    count: int  #: purchases
    accepted_seconds: float = 0.0  #: when the last purchase was answered
    committed_seconds: float = 0.0  #: when the last order was committed, checked five times a second; 0: never
    statuses: dict[str, int] = field(default_factory=dict)  #: responses
    memory_peak: dict[str, int] = field(default_factory=dict)  #: peak bytes by part, sampled once a second
    valkey_memory: int = 0  #: used_memory at the end, bytes
    database_size: int = 0  #: bytes at the end
    audit: list[Check] = field(default_factory=list)
    seen: list[tuple[float, int, int]] = field(default_factory=list)  #: (seconds, accepted, written)

    def begin(self, started_at: float) -> None:
        """Set the start of the run, in seconds since 1970. Later times are relative to it."""
        self.committed_seconds = max(0.0, self.committed_seconds - started_at)
        self.seen = [(at - started_at, accepted, written) for at, accepted, written in self.seen if at >= started_at]

    def sample_memory(self, shop: MeasuredShop) -> None:
        """Update the peak memory of each part."""
        for part, pid in shop.parts().items():
            self.memory_peak[part] = max(memory_bytes(pid), self.memory_peak.get(part, 0))

    @property
    def holds(self) -> bool:
        """Return whether the audit holds."""
        return bool(self.audit) and all(check.holds for check in self.audit)


def measure_million(
    console: Console, revisions: Sequence[Revision], *, var: Path, ledger: str, count: int, command: str
) -> int:
    """Run each revision in turn, print and write the results; return the exit status, 1 when an audit fails.

    Raises TimeoutError when no progress is made.
    """
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    courses = []
    for revision in revisions:
        console.print(f"Starting the shop ({revision.label}) …", highlight=False)
        with open_stage(var / "bench", {revision: [("line", line_of(revision), ledger)]}) as stage:
            shop = stage[revision.label]["line"]
            courses.append(run(console, shop, var / "bench" / "passes", count, revision.label))
            version = shop.ledger_version()
    facts = Facts(taken_at, command, hardware(), versions(version))
    table = Table("", *(course.label for course in courses), title=f"{count:,} purchases")
    cells = columns([lines(course) for course in courses])
    for line in cells:
        table.add_row(*line)
    console.print(table)
    for text in (NOTE, *fact_lines(facts)):
        console.print(text, highlight=False, markup=False)
    for course in courses:
        for check in course.audit:
            if not check.holds:
                print(f"VIOLATED: {check.name}: expected {check.expected}, found {check.found}", file=sys.stderr)
    holds = all(course.holds for course in courses)
    if holds:
        console.print("The audit holds.")
    head = ("", *(course.label for course in courses))
    markdown = "\n\n".join([markdown_table(head, cells), NOTE, *fact_lines(facts), ""])
    write(
        var, "million", {**asdict(facts), "courses": [asdict(course) for course in courses], "holds": holds}, markdown
    )
    chart(courses, var / "million.svg")
    chart(courses, var / "million.png")
    console.print(f"Written: {var / 'million.json'}, million.md, million.svg, million.png", highlight=False)
    return 0 if holds else 1


def run(console: Console, shop: MeasuredShop, passes: Path, count: int, label: str) -> Course:
    """Run ``count`` purchases in a new sale with one unit each, and audit the result."""
    course = Course(label, count)
    sale = shop.new_sale(stock=count)
    console.print(f"Making {count:,} passes …", highlight=False)
    passes.write_text("\n".join(shop.passes(sale, count)) + "\n", encoding="ascii")
    with running("buy_once", shop.shop.port, sale, passes) as crowd:
        watch(console, shop, sale, crowd, course)
        output, _ = crowd.communicate()
    tally = json.loads(output)
    course.begin(tally["started_at"])
    course.accepted_seconds = tally["seconds"]
    course.statuses = tally["statuses"]
    shop.await_rest()
    course.valkey_memory = shop.meters().redis_memory
    course.database_size = shop.database_size()
    course.audit = audit(shop, sale, course)
    return course


def watch(console: Console, shop: MeasuredShop, sale: int, crowd: subprocess.Popen[str], course: Course) -> None:
    """Return when all purchases are answered and every order is written, or no more orders are written.

    Raises TimeoutError when purchases are no longer answered, RuntimeError when the load generator failed.
    """
    progressed_at = mailed_at = time.monotonic()
    sampled_at = -math.inf
    before = (-1, -1)
    while True:
        seen = (shop.purchases(sale), shop.sold(sale))
        now = time.monotonic()
        course.seen.append((time.time(), *seen))
        if seen[1] >= course.count and not course.committed_seconds:
            course.committed_seconds = time.time()
        if crowd.poll():
            raise RuntimeError(f"the crowd ended with {crowd.returncode}")
        if crowd.poll() == 0 and course.committed_seconds:
            return
        if seen != before:
            before, progressed_at = seen, now
        elif now - progressed_at > STUCK_SECONDS:
            if crowd.poll() == 0:
                return  # the audit reports what is missing
            raise TimeoutError(f"nothing moved for {STUCK_SECONDS:.0f} s: {seen[0]:,} accepted, {seen[1]:,} ordered")
        if now - sampled_at >= SAMPLE_SECONDS:
            sampled_at = now
            course.sample_memory(shop)
        if now - mailed_at >= TELL_SECONDS:
            mailed_at = now
            console.print(f"{seen[0]:,} accepted, {seen[1]:,} ordered", highlight=False)
        time.sleep(LOOK_SECONDS)


def audit(shop: MeasuredShop, sale: int, course: Course) -> list[Check]:
    """Audit the ledger and Redis. The shop must be idle."""
    ((orders, buyers, places, first, last),) = shop.shop.sql(
        "SELECT count(*), count(DISTINCT buyer), count(DISTINCT place), coalesce(min(place), 1),"  # noqa: S608 (a number)
        f" coalesce(max(place), 0) FROM orders_order WHERE sale_id = {sale:d} AND status = 'pending'"
    )
    ((stock, sold),) = shop.shop.sql(f"SELECT stock, sold FROM {shop.shop.sale_table} WHERE id = {sale:d}")  # noqa: S608 (a number)
    keys = {name: key(sale, name) for name in ("line", "outcomes", "pending", "stock")}
    count = course.count
    return [
        _equal("answers: all 202", {"202": count}, course.statuses),
        _equal("orders", count, orders),
        _equal("buyers with an order", count, buyers),
        _equal("places with an order, first to last, without a hole", (count, 1, count), (places, first, last)),
        _equal("the sale's own count of sold units", stock, sold),
        _equal("oversold", 0, max(0, orders - stock)),
        _equal("places in line", count, shop.redis.llen(keys["line"])),
        _equal("outcomes in Redis", count, shop.redis.hlen(keys["outcomes"])),
        _equal("reservations in Redis", 0, shop.redis.hlen(keys["pending"])),
        _equal("units left in Redis", 0, int(shop.redis.get(keys["stock"]) or 0)),
    ]


def columns(several: Sequence[Sequence[Sequence[str]]]) -> list[list[str]]:
    """Align the pairs of several runs by their first value, in the order of the runs."""
    told = [{title: value for title, value in pairs} for pairs in several]  # noqa: C416 (pairs are lists)
    return [[title, *(each.get(title, "-") for each in told)] for title in dict.fromkeys(chain(*told))]


def chart(courses: Sequence[Course], file: Path) -> None:
    """Draw accepted and written purchases over time. The file suffix selects the format (SVG, PNG)."""
    picture = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = picture.add_subplot()
    for course, colour in zip(courses, COLOURS[-len(courses) :], strict=True):
        for title, at, dashes in (("accepted", 1, "--"), ("written", 2, "-")):
            points = [(0.0, 0), *((one[0], one[at]) for one in course.seen)]
            label = f"{course.label}: {title}" if len(courses) > 1 else title
            axes.plot(*zip(*points, strict=True), dashes, color=colour, label=label)
    axes.set(title="Purchases and their orders", xlabel="seconds from the first purchase")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(color="#e4e2dd")
    axes.legend()
    picture.savefig(file)


def _equal(name: str, expected: object, found: object) -> Check:
    return Check(name, str(expected), str(found), expected == found)


def lines(course: Course) -> list[list[str]]:
    """Return the results as (label, value) pairs."""
    mebibytes = {part: f"{peak / 2**20:,.0f} MiB" for part, peak in course.memory_peak.items()}
    return [
        ["all accepted after", f"{number(course.accepted_seconds)} s"],
        ["accepted per second", _rate(course.count, course.accepted_seconds)],
        ["all in the ledger after", f"{number(course.committed_seconds)} s"],
        ["orders per second", _rate(course.count, course.committed_seconds)],
        *([f"most memory, {part}", mebibytes[part]] for part in mebibytes),
        ["Valkey's used_memory at the end", f"{course.valkey_memory / 2**20:,.0f} MiB"],
        ["database at the end", f"{course.database_size / 2**20:,.0f} MiB"],
        *([f"audit: {check.name}", f"{check.found} {'✓' if check.holds else '✗'}"] for check in course.audit),
    ]


def _rate(count: int, seconds: float) -> str:
    return number(count / seconds) if seconds > 0 else "-"
