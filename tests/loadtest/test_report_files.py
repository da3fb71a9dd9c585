"""The report of a load test: charts and files."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from loadtest.comparison.charts import colours_of, draw
from loadtest.comparison.report import table, write_report
from loadtest.comparison.result import Check, Latency
from tests.loadtest.comparison import always, comparison_of, lines_of, page, run_of


class Elements(HTMLParser):
    """Collects every element of a page with its attributes, and the text of some."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_chart_says_its_numbers_to_those_who_do_not_see_it() -> None:
    run = run_of("line", visit=always(7), generator_busy=0.9)
    charts = draw("flash", [run], colours_of(["line"]))

    assert [(chart.name, chart.numbers) for chart in charts] == [
        ("flash-rates", "line: ≥500 accepted/s, ≥250 completed/s"),
        ("flash-accept-latency", "line: p50 10 ms, p99 20 ms"),
        ("flash-outcome-latency", "line: p50 1.00 s, p99 2.00 s"),
        ("flash-undecided", "line: peak 1,000, 0 after 4.0 s"),
        ("flash-depth", "line: peak 600, 0 after 3.0 s"),
        ("flash-visits", "line: p50 7.0 ms, p99 7.0 ms"),
    ]
    for chart in charts:
        assert chart.svg.startswith(f'<svg role="img" aria-label="{chart.title}. {chart.numbers}"')
        assert f"<title>{chart.title}</title>" in chart.svg
        assert chart.png.startswith(b"\x89PNG")


def test_a_chart_tells_what_was_left_what_was_never_there_and_what_was_not_measured() -> None:
    runs = [
        run_of("line", undecided=[(0.0, 50), (1.0, 1000), (2.0, 30)]),
        run_of("sync", undecided=[(0.0, 0), (2.0, 0)]),
        run_of("naive", undecided=[]),
    ]

    undecided = draw("flash", runs, colours_of(["line"]))[3]

    assert undecided.numbers == "line: peak 1,000, 30 at the end; sync: always 0; naive: not measured"
    assert "nothing to show" not in undecided.svg


def test_visitors_have_a_chart_only_where_there_were_any() -> None:
    assert len(draw("flash", [run_of("line")], colours_of([]))) == 5


def test_a_system_has_its_own_colour_whoever_else_is_there() -> None:
    alone, among = colours_of(["line"]), colours_of(["new", "sync", "newer", "line"])

    assert alone["line"] == among["line"] == "#0b66c3"
    assert len({among[system] for system in ("new", "sync", "newer", "line")}) == 4


def test_the_same_comparison_gives_the_same_files(tmp_path: Path) -> None:
    comparison = comparison_of(run_of("sync"), run_of("line"))

    for name in ("once", "twice"):
        write_report(comparison, tmp_path / name)

    once = {path.relative_to(tmp_path / "once"): path.read_bytes() for path in (tmp_path / "once").rglob("*.*")}
    twice = {path.relative_to(tmp_path / "twice"): path.read_bytes() for path in (tmp_path / "twice").rglob("*.*")}
    assert once == twice
    assert {str(path) for path in once} == {
        "report.html",
        "report.md",
        "runs.csv",
        "accept_latency.csv",
        "outcome_latency.csv",
        "visit_latency.csv",
        "series.csv",
        "audit.csv",
        *(
            f"charts/flash-{name}.{ending}"
            for name in ("rates", "accept-latency", "outcome-latency", "undecided", "depth")
            for ending in ("svg", "png")
        ),
    }


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    text = page(comparison_of(run_of("line"), run_of("line", "flood")), tmp_path)
    elements = Elements(text).found

    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object", "embed", "image"}
    addresses = [
        value or ""
        for _, attributes in elements
        for name, value in attributes.items()
        if name in {"href", "src", "xlink:href", "srcset"}
    ]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert "url(http" not in text
    assert "@import" not in text
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses} <= set(ids)


def test_the_page_is_for_everybody(tmp_path: Path) -> None:
    elements = Elements(page(comparison_of(run_of("line", errors={"timeout": 1})), tmp_path)).found

    assert [tag for tag, _ in elements if tag in {"h1", "h2", "h3"}][:4] == ["h1", "h2", "h3", "h2"]
    assert [tag for tag, _ in elements].count("h1") == 1
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")
    assert all(attributes["role"] == "img" for tag, attributes in elements if tag == "svg")
    assert ("html", {"lang": "en"}) in elements
    boxes = [attributes for _, attributes in elements if attributes.get("class") == "box"]
    assert [box["aria-label"] for box in boxes] == ["Results", "Which one to choose", "Errors", "Audit"]


def test_names_from_outside_are_text_and_nothing_else(tmp_path: Path) -> None:
    name = "<b onclick='x'>new & \"odd\"</b>"
    check = Check("1 < 2", "<1>", "<2>", holds=False)

    text = page(comparison_of(run_of(name, name, errors={"<i>": 1}, audit=[check])), tmp_path)

    assert not {tag for tag, _ in Elements(text).found} & {"b", "i"}
    assert "1 &lt; 2: expected &lt;1&gt;, found &lt;2&gt;." in text


def test_markdown_links_to_the_pictures_beside_it(tmp_path: Path) -> None:
    write_report(comparison_of(run_of("sync", "A slow call"), run_of("line", "A slow call")), tmp_path)

    text = (tmp_path / "report.md").read_text(encoding="utf-8")

    pictures = [line.split("(")[1].removesuffix(")") for line in text.splitlines() if line.startswith("![")]
    assert pictures[0] == "charts/a-slow-call-rates.png"
    assert len(pictures) == 5
    assert all((tmp_path / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert table(comparison_of(run_of("sync", "A slow call"), run_of("line", "A slow call"))) in text
    assert "## Errors\n\nNone.\n\n" in text
    assert "| A slow call | line | No more orders than units | at most 100 | 100 | ✓ |" in text


def test_the_most_frequent_error_of_a_run_comes_first(tmp_path: Path) -> None:
    write_report(comparison_of(run_of("line", errors={"reset": 3, "timeout": 1200})), tmp_path)

    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| flash | line | timeout | 1,200 |\n| flash | line | reset | 3 |\n" in text


def test_figures_come_back_from_csv(tmp_path: Path) -> None:
    run = run_of(
        "line", generator_busy=0.9, accept=Latency.of([1.25, 3.5, 0.1 + 0.2]), errors={"timeout": 3, "reset": 4}
    )

    write_report(comparison_of(run, run_of("sync", audit=[])), tmp_path)

    first, second = lines_of(tmp_path / "runs.csv")
    assert {name: float(first[name]) for name in ("buyers", "stock", "accepted", "completed", "orders")} == {
        "buyers": 1000,
        "stock": 100,
        "accepted": 1000,
        "completed": 1000,
        "orders": 100,
    }
    assert [float(first[f"{name}_per_second"]) for name in ("accepted", "completed", "orders")] == [500, 250, 100]
    assert [float(first[name]) for name in ("accepted_seconds", "completed_seconds", "ordered_seconds")] == [2, 4, 1]
    assert {p: float(first[f"accept_p{p}_ms"]) for p in (50, 90, 95, 99, 100)} == run.accept.percentiles
    assert {p: float(first[f"outcome_p{p}_ms"]) for p in (50, 90, 95, 99, 100)} == run.outcome.percentiles
    assert [first[name] for name in ("system", "accept_count", "visit_count", "visit_p50_ms")] == ["line", "3", "0", ""]
    assert [first[name] for name in ("errors", "errors_by_name")] == ["7", '{"timeout": 3, "reset": 4}']
    assert [first["generator_was_the_limit"], first["audit_holds"], second["audit_holds"]] == ["True", "True", "False"]

    points = lines_of(tmp_path / "accept_latency.csv")
    assert [(float(p["ms"]), float(p["share"])) for p in points if p["system"] == "line"] == run.accept.curve
    assert [float(p["ms"]) for p in lines_of(tmp_path / "outcome_latency.csv")] == [1000, 2000, 1000, 2000]
    assert lines_of(tmp_path / "visit_latency.csv") == []
    series = [line for line in lines_of(tmp_path / "series.csv") if line["system"] == "line"]
    for name, expected in (("undecided", run.undecided), ("depth", run.depth)):
        assert [(float(s["seconds"]), int(s["buyers"])) for s in series if s["series"] == name] == expected
    assert lines_of(tmp_path / "audit.csv") == [
        {
            "scenario": "flash",
            "system": "line",
            "check": "No more orders than units",
            "expected": "at most 100",
            "found": "100",
            "holds": "True",
        }
    ]


def test_a_report_needs_no_django_settings(tmp_path: Path) -> None:
    comparison_of(run_of("line", errors={"timeout": 1234})).write(tmp_path / "comparison.json")
    program = (
        "from pathlib import Path; from loadtest.comparison.report import write_report;"
        " from loadtest.comparison.result import Comparison;"
        f" directory = Path({str(tmp_path)!r});"
        " write_report(Comparison.read(directory / 'comparison.json'), directory)"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env={}, cwd=Path(__file__).parents[2])

    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td>timeout</td><td class="short number">1,234</td>' in text
