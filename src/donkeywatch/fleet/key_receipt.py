"""What a server does with sealed keys: fetches its own ahead of time, opens and stores them."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request

from donkeywatch.counting.calendar import week_name
from donkeywatch.errors import ConfigError, WarehouseError
from donkeywatch.fleet.key_issue import SECRET_NAME
from donkeywatch.fleet.sealed_keys import Identity, SealedKey, unseal
from donkeywatch.ingest import keyring
from donkeywatch.ingest.keyring import KEY_BYTES
from donkeywatch.settings.private_files import read_private_file, write_private_file
from donkeywatch.settings.schema import Settings

TIMEOUT_SECONDS = 20
MAX_ANSWER_BYTES = 1 << 20
KEYS_PATH = "/api/v1/fleet/keys"


def take(settings: Settings, sealed: SealedKey) -> bool:
    """Open a sealed key and store it for its week; false if it was taken before.

    ConfigError where it is not from the issuer or not for this server.
    """
    fleet = settings.fleet
    if fleet.server is None or fleet.issuer is None:
        raise ConfigError(
            "this is no server of a fleet", "set `server` and `issuer` in the table `[fleet]`"
        )
    keyring.ensure_directory(settings.key_directory)
    if week_name(sealed.week) in keyring.shared_key_checks(settings.key_directory):
        return False
    identity = Identity.load_or_create(settings.key_directory)
    payload = unseal(sealed, fleet.server, identity, base64.b64decode(fleet.issuer))
    write_private_file(settings.key_directory / SECRET_NAME, payload[KEY_BYTES:])
    keyring.supply_key(settings.key_directory, sealed.week, payload[:KEY_BYTES])
    return True


def fetch(settings: Settings) -> list[int]:
    """Fetch and take the keys that wait for this server; their weeks (ms UTC).

    WarehouseError where the one who hands them out does not answer.
    """
    fleet = settings.fleet
    if fleet.keys_url is None or fleet.token_file is None or fleet.server is None:
        return []
    token = read_private_file(fleet.token_file, "fleet.token_file").decode().strip()
    request = urllib.request.Request(  # noqa: S310 - an origin that was checked
        f"{fleet.keys_url}{KEYS_PATH}/{fleet.server}", headers={"Authorization": f"Bearer {token}"}
    )
    context = ssl.create_default_context(cafile=fleet.ca_file)
    # No proxy: it would see the token.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            texts = [str(each) for each in json.loads(answer.read(MAX_ANSWER_BYTES))["keys"]]
    except urllib.error.HTTPError as error:
        error.close()
        raise WarehouseError(
            f"{fleet.keys_url} hands out no keys (HTTP {error.code})",
            "give this server a token with the scope `fleet` there: `donkeywatch token add`",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WarehouseError(
            f"{fleet.keys_url} does not answer ({type(error).__name__})",
            "see to `donkeywatch fleet serve` there; it is asked again",
        ) from None
    sealed = [SealedKey.of_text(text) for text in texts]
    return [each.week for each in sealed if take(settings, each)]


def fleet_secret(settings: Settings) -> bytes | None:
    """Give what the fleet has in common for ever; None before the first key was taken."""
    path = settings.key_directory / SECRET_NAME
    return read_private_file(path, str(path)) if path.exists() else None
