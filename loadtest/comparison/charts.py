"""Charts of one scenario: small panels that fit a phone, with the same colour per system on each.

They use their own figures instead of pyplot's global state. Equal numbers produce equal files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from math import log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from django.utils.text import slugify
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from loadtest.comparison.result import Latency, Run

WIDTH = 4.0  #: inches; about the width of a phone
LEFT, RIGHT = 0.55, 3.86  #: inches from the left edge: start and end of the axes
INK, QUIET, GRID = "#1b1a18", "#5d5a54", "#e4e2dd"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so the picture is the same on every machine
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "svg.fonttype": "path",
    "svg.hashsalt": "loadtest",
}
#: Distinct for people with red, green or blue blindness, with contrast of at least 3:1 on white and on dark paper.
COLOURS = {"sync": "#b34700", "naive": "#6f6f6f", "line": "#0b66c3"}
OTHER_COLOURS = ("#00805e", "#9c2f6f", "#7a6a00")
DASHES = {"sync": (5.0, 1.5), "naive": (1.2, 1.2)}  #: the other systems' lines are solid
SOLID = (1.0, 0.0)

Series = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    name: str  #: of its files, without suffix
    title: str
    reading: str  #: how to read the chart
    numbers: str  #: text alternative
    svg: str
    png: bytes

    def write(self, directory: Path) -> None:
        """Write the chart as SVG and as PNG."""
        (directory / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")
        (directory / f"{self.name}.png").write_bytes(self.png)


def draw(scenario: str, runs: Sequence[Run], colours: dict[str, str]) -> list[Chart]:
    """Draw the charts of one scenario's runs."""
    charts = [
        _rates(scenario, runs, colours),
        _latencies(
            f"{scenario} accept latency",
            scenario,
            "From click to answer",
            "How long a click waited for its answer, a promise or an outcome: the higher a line at a time, the more"
            " buyers were answered by then.",
            [(run.system, run.accept) for run in runs],
            colours,
        ),
        _latencies(
            f"{scenario} outcome latency",
            scenario,
            "From click to outcome",
            "How long a buyer did not know what became of the click: the further left a line, the sooner people knew.",
            [(run.system, run.outcome) for run in runs],
            colours,
        ),
        _over_time(
            f"{scenario} undecided",
            scenario,
            "Buyers without an outcome",
            "How many have clicked and still wait for their outcome: the smaller the area below a line, the less was"
            " waited.",
            [(run.system, run.undecided) for run in runs],
            colours,
        ),
        _over_time(
            f"{scenario} depth",
            scenario,
            "Purchases waiting inside the system",
            "How many accepted purchases lie in the line or in the broker: a slope that keeps rising means that more"
            " is accepted than is done.",
            [(run.system, run.depth) for run in runs],
            colours,
        ),
    ]
    if any(run.visit.count for run in runs):
        charts.append(
            _latencies(
                f"{scenario} visits",
                scenario,
                "Pages for visitors, while others buy",
                "How long people who only looked around waited for a page: the further left, the less they noticed.",
                [(run.system, run.visit) for run in runs],
                colours,
            )
        )
    return charts


def colours_of(systems: Sequence[str]) -> dict[str, str]:
    """Return a colour for each system."""
    others = [system for system in systems if system not in COLOURS]
    return COLOURS | {system: OTHER_COLOURS[index % len(OTHER_COLOURS)] for index, system in enumerate(others)}


def duration(milliseconds: float) -> str:
    """Format a time in a suitable unit with two or three digits."""
    if milliseconds < 9.95:  # noqa: PLR2004 (digits)
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:  # noqa: PLR2004 (digits)
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:,.1f} s"  # noqa: PLR2004 (digits)


def rate(per_second: float, *, at_least: bool = False) -> str:
    """Format a rate per second, with one decimal when it is small."""
    digits = 0 if per_second >= 99.95 or per_second == 0 else 1  # noqa: PLR2004 (digits)
    return f"{'≥' if at_least else ''}{per_second:,.{digits}f}"


def _rates(scenario: str, runs: Sequence[Run], colours: dict[str, str]) -> Chart:
    """Accepted per second (pale) against completed per second."""
    title = "Accepted and completed per second"
    numbers = []
    most = max((max(run.accepted_per_second, run.completed_per_second) for run in runs), default=0)
    with mpl.rc_context(STYLE):
        figure, axes = _panel(scenario, title, [], colours, height=0.35 + 0.76 * max(3, len(runs)), left=0.14)
        for row, run in enumerate(runs):
            accepted, completed = run.accepted_per_second, run.completed_per_second
            labels = [
                f"{rate(accepted, at_least=run.generator_limited)} accepted/s",
                f"{rate(completed, at_least=run.generator_limited)} completed/s",
            ]
            axes.text(
                most * 0.01, row - 0.36, _short(run.system), color=colours[run.system], weight="bold", va="center"
            )
            for y, value, label, alpha in zip(
                (row - 0.06, row + 0.22), (accepted, completed), labels, (0.4, 1.0), strict=True
            ):
                axes.barh(y, value, height=0.24, color=colours[run.system], alpha=alpha, linewidth=0)
                axes.text(value + most * 0.025, y, label, va="center")
            numbers.append(f"{run.system}: {', '.join(labels)}")
        if most > 0:
            axes.set(xlim=(0, most * 1.65), ylim=(max(3, len(runs)) - 0.55, -0.6))
            axes.spines["bottom"].set_visible(False)
            axes.xaxis.set_major_locator(NullLocator())  # every bar is labelled with its number
            axes.yaxis.set_major_locator(NullLocator())
        else:
            axes.clear()
            _nothing(axes)
        return _drawn(
            f"{scenario} rates",
            f"{scenario}: {title.lower()}",
            "Pale: buyers answered. Full: buyers who knew their outcome. Where pale is much longer, a queue grew.",
            numbers,
            figure,
        )


def _latencies(
    name: str, scenario: str, title: str, reading: str, latencies: list[tuple[str, Latency]], colours: dict[str, str]
) -> Chart:
    """Cumulative latency; the dots are the median and the 99th percentile."""
    key = [
        (system, [f"p{p} {duration(latency.percentiles[p])}" for p in (50, 99)] if latency.count else ["not measured"])
        for system, latency in latencies
    ]
    with mpl.rc_context(STYLE):
        figure, axes = _panel(scenario, title, key, colours)
        curves = {system: [(max(ms, 0.1), share) for ms, share in latency.curve] for system, latency in latencies}
        times = [ms for curve in curves.values() for ms, _ in curve]
        if not times:
            _nothing(axes)
        else:
            for share in (0.5, 0.99):
                axes.axhline(share, color=QUIET, linewidth=0.7, linestyle=(0, (1, 2)))
            for system, latency in latencies:
                if latency.curve:
                    curve = curves[system]
                    _line(axes, system, [(curve[0][0], 0.0), *curve], colours, drawstyle="steps-post")
                    dots = [(max(latency.percentiles[p], 0.1), p / 100) for p in (50, 99)]
                    axes.plot(*zip(*dots, strict=True), "o", color=colours[system], markeredgecolor="white", zorder=4)
            _time_scale(axes, min(times), max(times))
            axes.set_ylim(0, 1.03)
            axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 0.99]))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
            axes.set_xlabel("waited at most (logarithmic)")
        return _drawn(name, f"{scenario}: {title.lower()}", reading, _spoken(key), figure)


def _over_time(
    name: str, scenario: str, title: str, reading: str, series: list[tuple[str, Series]], colours: dict[str, str]
) -> Chart:
    """A count over time."""
    key = [(system, _course(points)) for system, points in series]
    with mpl.rc_context(STYLE):
        figure, axes = _panel(scenario, title, key, colours)
        most = max((number for _, points in series for _, number in points), default=0)
        if most <= 0:
            _nothing(axes)
        else:
            for system, points in series:
                if points:
                    _line(axes, system, points, colours)
            axes.set_xlim(0, max(when for _, points in series for when, _ in points) or 1)
            axes.set_ylim(0, most * 1.05)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
            axes.set_xlabel("seconds since the opening")
        return _drawn(name, f"{scenario}: {title.lower()}", reading, _spoken(key), figure)


def _course(points: Series) -> list[str]:
    """Describe a series: its peak, and when it was over."""
    if not points:
        return ["not measured"]
    peak = max(number for _, number in points)
    if peak <= 0:
        return ["always 0"]
    if points[-1][1] > 0:
        return [f"peak {peak:,.0f}", f"{points[-1][1]:,.0f} at the end"]
    over = next(index for index in range(len(points) - 1, -1, -1) if points[index][1] > 0) + 1
    return [f"peak {peak:,.0f}", f"0 after {points[over][0]:.1f} s"]


def _panel(
    scenario: str,
    title: str,
    key: list[tuple[str, list[str]]],
    colours: dict[str, str],
    *,
    height: float = 1.75,
    left: float = LEFT,
) -> tuple[Figure, Axes]:
    """Return white paper with a heading, a legend with one line per system, and axes of this height in inches."""
    head, foot, row = 0.56 + 0.18 * len(key), 0.44 if left == LEFT else 0.1, 0.18
    total = head + height + foot
    figure = Figure(figsize=(WIDTH, total), facecolor="white")
    figure.text(0.14 / WIDTH, 1 - 0.17 / total, _short(scenario, 50), color=QUIET, size=7.5, va="center")
    figure.text(0.14 / WIDTH, 1 - 0.35 / total, title, size=10, weight="bold", va="center")
    for index, (system, phrases) in enumerate(key):
        y = 1 - (0.58 + row * index) / total
        figure.add_artist(
            Line2D(
                [0.15 / WIDTH, 0.42 / WIDTH],
                [y, y],
                color=colours[system],
                linewidth=2,
                linestyle=(0, DASHES.get(system, SOLID)),
            )
        )
        figure.text(0.5 / WIDTH, y, _short(system), color=colours[system], weight="bold", va="center")
        for column, phrase in enumerate(phrases):
            figure.text((1.75 + 1.08 * column) / WIDTH, y, phrase, va="center")
    axes = figure.add_axes((left / WIDTH, foot / total, (RIGHT - left) / WIDTH, height / total))
    if key:
        axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    return figure, axes


def _line(axes: Axes, system: str, points: Series, colours: dict[str, str], drawstyle: str = "default") -> None:
    whens, numbers = zip(*points, strict=True)
    axes.plot(
        whens,
        numbers,
        color=colours[system],
        linewidth=1.9,
        drawstyle=drawstyle,
        zorder=3,
        linestyle=(0, DASHES.get(system, SOLID)),
    )


def _time_scale(axes: Axes, least: float, most: float) -> None:
    """Set a logarithmic time scale with as many labels as fit."""
    if most / least < 4:  # noqa: PLR2004 (narrower, a logarithmic scale has hardly a round number to show)
        least, most = least / 2, most * 2
    least, most = least / 1.15, most * 1.15
    decades = log10(most / least)
    steps = (1, 2, 5) if decades < 1.5 else (1, 3) if decades < 2.5 else (1,)  # noqa: PLR2004 (what fits)
    ticks = [step * 10.0**power for power in range(-1, 8) for step in steps]
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if least <= tick <= most]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s"))  # noqa: PLR2004


def _nothing(axes: Axes) -> None:
    """Show a text instead of empty axes."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", va="center", color=QUIET)


def _short(name: str, length: int = 16) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def _spoken(key: list[tuple[str, list[str]]]) -> list[str]:
    return [f"{system}: {', '.join(phrases)}" for system, phrases in key]


def _drawn(name: str, title: str, reading: str, numbers: list[str], figure: Figure) -> Chart:
    """Render the figure as files. Names in the SVG are unique, so that several fit on one page."""
    name = slugify(name)
    spoken = "; ".join(numbers) or "nothing to show"
    vector, pixels = BytesIO(), BytesIO()
    figure.savefig(vector, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    figure.savefig(pixels, format="png", dpi=200)
    drawing = vector.getvalue().decode()
    drawing = drawing[drawing.index("<svg") :]
    for reference in ('id="', 'href="#', "url(#"):
        drawing = drawing.replace(reference, f"{reference}{name}-")
    label = f'role="img" aria-label="{escape(f"{title}. {spoken}")}"'
    drawing = drawing.replace("<svg", f"<svg {label}", 1).replace(">", f">\n <title>{escape(title)}</title>", 1)
    return Chart(name, title, reading, spoken, drawing, pixels.getvalue())
