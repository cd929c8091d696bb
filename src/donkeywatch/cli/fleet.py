"""The verbs `fleet ...`: several servers, one union."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import err, fleet_app, log_to_stderr, out
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import WEEK, week_name, week_of, week_start
from donkeywatch.errors import ConfigError, DonkeywatchError, UsageError
from donkeywatch.fleet import fleet_check, key_issue, key_receipt, shipper, tables
from donkeywatch.fleet.sealed_keys import Identity, SealedKey
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.ingest import keyring
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import loader

NICENESS = 10
"""Shipping leaves the processor to counting."""
keys_of_fleet = typer.Typer(help="Make, seal and open weekly keys.", no_args_is_help=True)
fleet_app.add_typer(keys_of_fleet, name="keys")


@fleet_app.command("identity")
def identity(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print this machine's public key, which the first call makes.

    A server's goes into `[fleet.servers]` of `fleet serve`; that of `fleet serve` is every server's
    `fleet.issuer`.
    """
    settings = loader.load(config_path)
    keyring.ensure_directory(settings.key_directory)
    _print(Identity.load_or_create(settings.key_directory).public_text)


@fleet_app.command("init")
def init(
    cluster: Annotated[
        str | None, typer.Option(help="name in ClickHouse's remote_servers; must be the settings'")
    ] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make the tables of the fleet where they are not there yet."""
    fleet = loader.load(config_path).fleet
    if cluster is not None and cluster != fleet.cluster:
        raise UsageError(
            f"the settings name the cluster {fleet.cluster or '(none)'}, not {cluster}",
            f'set  cluster = "{cluster}"  in the table [fleet] of every server',
        )
    with open_warehouse(fleet) as warehouse:
        warehouse.check_shards()
        tables.create(warehouse, fleet.cluster)
        _print(f"the tables are there, on {warehouse.shards} shard(s)")


@fleet_app.command("check")
def check(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check versions, shards, tables, clocks, keys and word lists of the fleet."""
    settings = loader.load(config_path)
    with open_warehouse(settings.fleet) as warehouse:
        findings = fleet_check.findings(settings, warehouse, wall_ms())
    for finding in findings:
        _print(f"{'ok' if finding.is_good else 'PROBLEM'}  {finding.text}")
    if not all(finding.is_good for finding in findings):
        raise typer.Exit(ConfigError.exit_code)


@keys_of_fleet.command("make")
def keys_make(
    week: Annotated[
        str | None, typer.Option(help="such as 2026-W50; by default those that are due")
    ] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make the key of a week and seal it to every server; prints the files that can travel.

    `fleet serve` does so by itself, ahead of time, and hands the files out. A week gets one key
    only: another one would take the servers apart that have the first.
    """
    settings, now = loader.load(config_path), wall_ms()
    if not settings.fleet.servers:
        raise UsageError("the settings name no servers", "give them in the table [fleet.servers]")
    candidates = key_issue.due_weeks(settings, now) if week is None else [_week(week)]
    with open_warehouse(settings.fleet) as warehouse:
        weeks = key_issue.weeks_without_key(settings, warehouse, candidates)
        if week is not None and not weeks:
            raise UsageError(f"week {week} has a key", "its files are in sealed-keys in the state")
        for each in weeks:
            for path in key_issue.make_week_key(settings, each, warehouse, now):
                _print(str(path))
    if not weeks:
        err.print("this week and the next have their keys")


@keys_of_fleet.command("open")
def keys_open(
    files: Annotated[list[Path], typer.Argument(help="sealed keys for this server")],
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take sealed keys that came by hand; each is used from the first query of its week on."""
    settings = loader.load(config_path)
    for path in files:
        sealed = SealedKey.of_text(path.read_text("ascii", "replace"))
        taken = key_receipt.take(settings, sealed)
        _print(f"week {week_name(sealed.week)}: {'taken' if taken else 'taken before'}")


@keys_of_fleet.command("fetch")
def keys_fetch(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Fetch this server's sealed keys from `fleet.keys_url` and take them.

    To be done once before the first start, so that this very week is in the union; the daemon
    fetches those of the weeks to come by itself.
    """
    settings = loader.load(config_path)
    if settings.fleet.keys_url is None:
        raise UsageError(
            "`fleet.keys_url` is not set", "set it, or take files with `fleet keys open`"
        )
    weeks = key_receipt.fetch(settings)
    for week in weeks:
        _print(f"week {week_name(week)}: taken")
    if not weeks:
        err.print("no key that was not taken before")


@fleet_app.command("serve")
def serve(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Unite what the servers ship, hand out their keys and serve the figures, until SIGTERM.

    SIGHUP takes new settings, such as another server.
    """
    from donkeywatch.runtime.union_service import UnionService

    settings = loader.load(config_path)
    log_to_stderr(settings.log_format)
    UnionService(config_path, settings).run()


@fleet_app.command("ship", hidden=True)
def ship(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Fetch keys and ship closed hours, for the daemon, which reads an object a line."""
    os.nice(NICENESS)
    settings = loader.load(config_path)
    problems: list[DonkeywatchError] = []
    try:
        key_receipt.fetch(settings)
    except DonkeywatchError as error:
        problems.append(error)
    try:
        with open_warehouse(settings.fleet) as warehouse:
            for entry in shipper.ship_pending(settings, warehouse, wall_ms()):
                _event(shipped=[entry.hour, entry.version])
    except DonkeywatchError as error:
        problems.append(error)
    for each in problems:
        _event(problem=each.problem)
    if problems:
        raise typer.Exit(problems[0].exit_code)


def _event(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _week(name: str) -> int:
    try:
        return week_start(name)
    except ValueError:
        raise UsageError(
            f"{name} is no week", f"give one such as {week_name(week_of(wall_ms()) + WEEK)}"
        ) from None


def _print(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
