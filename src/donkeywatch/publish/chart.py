"""The weeks so far as an SVG: both fractions with bands, gaps as gaps and breaks as marks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from donkeywatch.counting.estimates import Estimate
from donkeywatch.counting.windows import WEEK, week_name
from donkeywatch.publish.snapshot import WindowView

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 200, 44, 10, 12, 22
ENOUGH = 0.95
"""A week covered less than this is a gap: its fractions are those of other hours."""
ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
"""Tops of an axis, times a power of ten."""
LABELS = 5
"""Weeks that are named below the axis, at the most."""

Point = tuple[int, Estimate]


def chart(index: int, weeks: Sequence[WindowView], breaks: Sequence[tuple[int, str]]) -> str:
    """The chart of a topic, by its number, over closed weeks; breaks are times (ms) and kinds."""
    series = {
        "q": [(w.start, _shown(w, w.topics[index].query_fraction)) for w in weeks],
        "a": [(w.start, _shown(w, w.topics[index].address_fractions[0])) for w in weeks],
    }
    scale = _Scale(
        weeks[0].start,
        weeks[-1].start,
        _round_up(max((e.upper for s in series.values() for _, e in s if e), default=0.01)),
    )
    shapes = [*_axes(scale, weeks), *(_break(scale, time, kind) for time, kind in breaks)]
    for name, points in series.items():
        for run in _runs(points, [time for time, _ in breaks]):
            shapes += _curve(scale, name, run)
    return (
        '<p class="soft"><span class="key kq">of queries</span> and'
        ' <span class="key ka">of addresses</span>, by closed week; weeks that were not followed'
        " throughout are left out</p>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Weekly fractions from'
        f' {week_name(weeks[0].start)} to {week_name(weeks[-1].start)}">{"".join(shapes)}</svg>'
    )


class _Scale:
    """Times in ms and fractions to places in the picture."""

    def __init__(self, first: int, last: int, top: float) -> None:
        self.first, self.last, self.top = first, last, top

    def x(self, time: float) -> str:
        width = WIDTH - LEFT - RIGHT
        return f"{LEFT + width * (time - self.first) / max(WEEK, self.last - self.first):.1f}"

    def y(self, value: float) -> str:
        height = HEIGHT - BOTTOM - TOP
        return f"{HEIGHT - BOTTOM - height * value / self.top:.1f}"


def _shown(week: WindowView, estimate: Estimate | None) -> Estimate | None:
    return estimate if week.coverage >= ENOUGH else None


def _round_up(value: float) -> float:
    """The next round number, such that its half is a round number, too."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 0.01
    return next(power * step for step in ROUND if power * step >= value)


def _axes(scale: _Scale, weeks: Sequence[WindowView]) -> list[str]:
    shapes = []
    for value in (0, scale.top / 2, scale.top):
        y = scale.y(value)
        shapes.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{LEFT - 5}" y="{float(y) + 4:.1f}" text-anchor="end">'
            f"{value * 100:.3g}%</text>"
        )
    step = math.ceil(len(weeks) / LABELS)
    for week in weeks[::step]:
        anchor = "start" if week is weeks[0] else "end" if week is weeks[-1] else "middle"
        shapes.append(
            f'<text x="{scale.x(week.start)}" y="{HEIGHT - 5}" text-anchor="{anchor}">'
            f"{week_name(week.start)}</text>"
        )
    return shapes


def _break(scale: _Scale, time: int, kind: str) -> str:
    x = scale.x(time)
    return (
        f'<line class="break" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}">'
        f"<title>break: new {kind}</title></line>"
    )


def _curve(scale: _Scale, name: str, run: Sequence[Point]) -> list[str]:
    if len(run) == 1:
        time, only = run[0]
        return [f'<circle class="{name}" cx="{scale.x(time)}" cy="{scale.y(only.value)}" r="3"/>']
    line = "L".join(f"{scale.x(t)},{scale.y(e.value)}" for t, e in run)
    upper = [f"{scale.x(t)},{scale.y(e.upper)}" for t, e in run]
    lower = [f"{scale.x(t)},{scale.y(e.lower)}" for t, e in reversed(run)]
    return [
        f'<polygon class="{name} band" points="{" ".join(upper + lower)}"/>',
        f'<path class="{name}" d="M{line}"/>',
    ]


def _runs(
    points: Sequence[tuple[int, Estimate | None]], breaks: Sequence[int]
) -> list[list[Point]]:
    """Stretches of neighbouring weeks that have a fraction, parted where a break lies between."""
    runs: list[list[Point]] = []
    for time, estimate in points:
        if estimate is None:
            continue
        last = runs[-1][-1][0] if runs else None
        parted = last is None or time - last != WEEK
        if parted or any(last is not None and last <= b < time + WEEK for b in breaks):
            runs.append([])
        runs[-1].append((time, estimate))
    return runs
