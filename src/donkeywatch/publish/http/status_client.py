"""Asking a running daemon how it is, for the command line."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from pydantic import ValidationError

from donkeywatch.publish.readiness_schema import Health
from donkeywatch.settings.schema import Http

TIMEOUT_SECONDS = 2.0
"""Seconds to wait for an answer."""


class Answer(Enum):
    """Who answered at the address in the settings."""

    DAEMON = "daemon"
    NOBODY = "nobody"
    REFUSED = "refused"
    """A server that does not take the token."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class DaemonAnswer:
    """What came of a question; ``health`` is what a daemon of ours said."""

    kind: Answer
    health: Health | None = None


def ask_health(http: Http) -> DaemonAnswer:
    """Ask `/readyz` of the daemon with these settings; no proxy of the environment is used."""
    headers = {}
    if http.token:
        headers["Authorization"] = f"Bearer {http.token.get_secret_value()}"
    try:
        with contextlib.closing(_connection(http)) as connection:
            connection.request("GET", "/readyz", headers=headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
    except HTTPException:
        return DaemonAnswer(Answer.OTHER)
    except OSError:  # Also where the certificate cannot be read.
        return DaemonAnswer(Answer.NOBODY)
    if status in (401, 403, 429):
        return DaemonAnswer(Answer.REFUSED)
    try:
        return DaemonAnswer(Answer.DAEMON, Health.model_validate_json(text))
    except ValidationError:
        return DaemonAnswer(Answer.OTHER)


def _connection(http: Http) -> HTTPConnection:
    """A connection that is not open yet, by TLS where the settings have a certificate."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - a look-up
    if http.tls_certificate is None:
        return HTTPConnection(host, http.port, timeout=TIMEOUT_SECONDS)
    # Our own certificate may be self-signed: trust exactly that file.
    context = ssl.create_default_context(cafile=str(http.tls_certificate))
    context.check_hostname = False
    return HTTPSConnection(host, http.port, timeout=TIMEOUT_SECONDS, context=context)
