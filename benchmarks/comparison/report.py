"""Show a session on the terminal and as Markdown: `python -m comparison.report FILE.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from comparison.result import Outcome, Session

HEADS = ("", "wall, s", "ratio", "M lines/s", "CPU, s", "ratio", "peak, MB", "ratio", "figures")
READING = (
    "Medians with the least and the most; a ratio is that of the median to donkeywatch's, so"
    " above 1 is slower or larger. Start-up is included. Peak memory is that of all processes"
    " together (PSS), looked at every 25 ms or so; pages of a mapped log count."
)


ARRIVAL = ("lines", "stamps", "addresses", "queries", "folding", "matching", "deciding")
STAGES = (
    "CPU in one process, ns a line; `make profile` measures it. Every stage is passes of numpy"
    " over columns, no object is made for a line. {arrival:.0f} of {all:.0f} ns of `tsv` are spent"
    " on getting from bytes to a decision, in some dozens of such passes, each of which writes"
    " its column to memory and reads it back: this is what a native kernel, which does all of it"
    " to a line while that is in a register, would take most of away. The other half is sorting"
    " and summing by address, which such a kernel would not do much faster than numpy's sort.\n\n"
    "At {kernel:g} ns a byte, which is what a look at a table and a step of an automaton cost, that"
    " kernel would take {native:.0f} ns a line, and all of the job {left:.0f}: {gain:.2f} times as"
    " quick. {rivals} This is an estimate, and no kernel has been written."
)
KERNEL = 1.0
"""Nanoseconds of CPU a byte that a native kernel is taken to need from bytes to a decision."""


def console(session: Session) -> None:
    """Print a table for every size."""
    for lines in _sizes(session):
        shown = Table(title=f"{lines:,} lines")
        for at, head in enumerate(HEADS):
            shown.add_column(head, justify="left" if at in (0, len(HEADS) - 1) else "right")
        for row in _rows(session, lines):
            shown.add_row(*row)
        Console().print(shown)
    Console().print(_disturbed(session))


def markdown(session: Session) -> str:
    """The whole report."""
    parts = [
        "# As fast as what would be used instead?",
        f"Measured on {session.date} with `{session.command}`.",
        _machine(session),
    ]
    parts += [_input(message) for message in session.inputs]
    for lines in _sizes(session):
        parts.append(f"## {lines:,} lines")
        parts.append(_table(HEADS, _rows(session, lines)))
    parts += [f"{READING} {_disturbed(session)}", "## What each leaves out", _left_out(session)]
    if session.stages:
        parts += ["## Where the time goes", _stages(session)]
    if session.qualifying:
        parts += ["## The qualifying round", _qualifying(session)]
    return "\n\n".join(parts) + "\n"


def _sizes(session: Session) -> list[int]:
    return sorted({item.lines for item in session.outcomes})


def _machine(session: Session) -> str:
    return "; ".join(f"{name} {value}" for name, value in session.machine.items()) + "."


def _input(message: dict[str, float]) -> str:
    return (
        f"{message['lines']:,} lines: {message['bytes'] / message['lines']:.1f} bytes a line,"
        f" {message['hours']:,} hours, {message['wide']:.0%} of lines with other than ASCII"
        " letters,"
        f" {message['distinct']:.0%} distinct addresses, {message['flagged']:.2%} flagged."
    )


def _rows(session: Session, lines: int) -> list[list[str]]:
    base = session.base(lines)
    return [_row(item, base) for item in session.outcomes if item.lines == lines]


def _row(first: Outcome, base: Outcome | None) -> list[str]:
    label = f"{first.name} ({first.form})" if first.form else first.name
    if not first.runs:
        return [label, *[""] * (len(HEADS) - 2), first.verdict]
    wall, cpu, peak = (_cells(first, base, of) for of in ("wall", "cpu", "peak"))
    rate = f"{first.lines / first.median('wall') / 1e6:.3g}"
    return [label, *wall, rate, *cpu, *peak, first.verdict]


def _cells(first: Outcome, base: Outcome | None, of: str) -> tuple[str, str]:
    digits = 0 if of == "peak" else 2
    low, high = first.span(of)
    value = f"{first.median(of):.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
    ratio = f"{first.median(of) / base.median(of):.2f}" if base and base.median(of) else ""
    return value, ratio


def _disturbed(session: Session) -> str:
    """How busy the cores were with other things: figures of a busy machine are worth little."""
    shares = [run.others for item in session.outcomes for run in item.runs]
    return f"Anything else took {max(shares, default=0):.0%} of the cores' time at the most."


def _left_out(session: Session) -> str:
    message = {item.name: item.leaves_out for item in session.outcomes if item.leaves_out}
    return "\n".join(f"- {name}: {what}." for name, what in message.items())


def _stages(session: Session) -> str:
    logs = list(session.stages)
    rows = [
        [stage, *(f"{session.stages[log][stage]:.0f}" for log in logs)]
        for stage in session.stages[logs[0]]
    ]
    rows.append(["all", *(f"{sum(session.stages[log].values()):.0f}" for log in logs)])
    first = session.stages[logs[0]]
    arrival, every = sum(first[stage] for stage in ARRIVAL), sum(first.values())
    native = KERNEL * session.inputs[-1]["bytes"] / session.inputs[-1]["lines"]
    left = every - arrival + native
    message = STAGES.format(
        arrival=arrival, all=every, kernel=KERNEL, native=native, left=left, gain=every / left,
        rivals=_would(session, every / left),
    )  # fmt: skip
    return _table(("stage", *logs), rows) + "\n\n" + message


def _would(session: Session, gain: float) -> str:
    """How many times as quick as each other tool a job that took so much less would be."""
    lines = _sizes(session)[-1]
    base = session.base(lines)
    others = [
        item for item in session.outcomes if item.lines == lines and item.leaves_out and item.runs
    ]
    if base is None or not others:
        return ""
    took = base.median("wall") / gain
    message = ", ".join(f"{item.median('wall') / took:.1f} times {item.name}'s" for item in others)
    return f"At {lines:,} lines its rate would be {message}."


def _qualifying(session: Session) -> str:
    rows = [
        [
            item.name,
            item.form,
            f"{item.lines:,}",
            f"{item.median('wall'):.2f}" if item.runs else "",
            item.verdict,
        ]
        for item in session.qualifying
    ]
    message = (
        "Of the forms whose figures are nearest to the truth, the quickest runs in the comparison."
    )
    return f"{message}\n\n" + _table(("tool", "form", "lines", "wall, s", "figures"), rows)


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    ruled = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in row) + " |" for row in ruled)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(markdown(Session.load(Path(sys.argv[1]))))
