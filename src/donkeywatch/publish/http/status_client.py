"""Asking a running daemon how it is, for the command line."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPException

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
    """Ask `/readyz` of the daemon with these settings."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - a look-up
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if http.tls_certificate else "http"
    request = urllib.request.Request(f"{scheme}://{host}:{http.port}/readyz")  # noqa: S310 - http(s)
    if http.token:
        request.add_header("Authorization", f"Bearer {http.token.get_secret_value()}")
    context = None
    try:
        if http.tls_certificate:
            # Our own certificate may be self-signed: trust exactly that file.
            context = ssl.create_default_context(cafile=str(http.tls_certificate))
            context.check_hostname = False
        # No proxy of the environment is to see the token.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
        if error.code in (401, 403, 429):
            return DaemonAnswer(Answer.REFUSED)
    except HTTPException:
        return DaemonAnswer(Answer.OTHER)
    except OSError:
        return DaemonAnswer(Answer.NOBODY)
    try:
        return DaemonAnswer(Answer.DAEMON, Health.model_validate_json(text))
    except ValidationError:
        return DaemonAnswer(Answer.OTHER)
