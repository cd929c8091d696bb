"""Archives of a server of a fleet: their hours are shipped before the keys of their weeks go."""

from __future__ import annotations

from donkeywatch.errors import ConfigError
from donkeywatch.fleet import shipper
from donkeywatch.fleet.warehouse_opening import open_warehouse
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.runtime.engine import Engine
from donkeywatch.store import outbox


def ship_before_destroying(engine: Engine) -> None:
    """Have a backfill ship what is closed whenever keys are about to be destroyed.

    ConfigError where the settings name no fleet. Where it does not answer the backfill ends with
    WarehouseError, and nothing is destroyed; the same command goes on.
    """
    if not engine.settings.fleet.ships:
        raise ConfigError(
            "this is no server of a fleet",
            "set `url`, `server` and `issuer` in the table `[fleet]`",
        )
    renew = engine.destroyer.before_destroying

    def ship_first(week: int) -> None:
        renew(week)
        _ship(engine)

    engine.destroyer.before_destroying = ship_first


def finish_shipping(engine: Engine) -> None:
    """Ship what is left when the archives are counted, and destroy the keys whose time is over."""
    _ship(engine)
    now = wall_ms()
    if engine.clock_gate.clocks.proven:
        engine.window_closer.close_until_destroyed(now, now, confirmed=True)


def _ship(engine: Engine) -> None:
    with open_warehouse(engine.settings.fleet) as warehouse:
        for entry in shipper.ship_pending(engine.settings, warehouse, wall_ms()):
            with engine.store.transaction() as db:
                outbox.mark_shipped(db, entry)
