"""Runs the checks and prints what came of them."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from donkeywatch.cli.application import err, out
from donkeywatch.errors import DonkeywatchError
from donkeywatch.runtime import checks
from donkeywatch.settings.schema import Settings


def show_checks(settings: Settings, *, with_logs: bool = True) -> list[DonkeywatchError]:
    """Print what came of each check, once; what is not as needed."""
    findings: list[DonkeywatchError] = []
    for result in checks.run_checks(settings, with_logs=with_logs):
        message = "ok" + (f", {result.detail}" if result.detail else "")
        if result.error is not None:
            findings.append(result.error)
            message = f"{result.error.problem} -> {result.error.remedy}"
        out.print(f"{result.name}: {message}", highlight=False, markup=False, soft_wrap=True)
    if settings.countries is None:
        out.print("countries: none given, every address counts as ZZ", highlight=False)
    for notice in checks.notices(settings):
        out.print(notice, highlight=False, markup=False, soft_wrap=True)
    return findings


def exit_with(findings: Sequence[DonkeywatchError]) -> None:
    """End the command with the exit code of the first finding, if there is any."""
    if findings:
        count = "one thing is" if len(findings) == 1 else f"{len(findings)} things are"
        err.print(f"donkeywatch: {count} not as needed; see above", style="bold")
        raise typer.Exit(findings[0].exit_code)
