"""The address and the TLS files of the web server: taken, loaded, or refused with the reason."""

from __future__ import annotations

import errno
import os
import socket
import ssl

from donkeywatch.errors import AddressUnavailable, ConfigError, may_pass
from donkeywatch.settings.private_files import refuse_readable_by_others
from donkeywatch.settings.schema import Http

TLS_REMEDY = "give a PEM certificate and its key, without a password"


def bind(http: Http, table: str = "http") -> socket.socket:
    """A socket that listens at the address in the settings.

    AddressUnavailable where that may succeed later: a name that is not resolved, an address that
    this machine does not have, a port that is taken. ConfigError where it cannot.
    """
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    try:
        # What create_server raises does not tell that a name was not resolved.
        socket.getaddrinfo(http.host.encode("ascii"), http.port, family, socket.SOCK_STREAM)
        # On `::` to IPv4 as well, whatever the system's default is.
        both = http.host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((http.host, http.port), family=family, dualstack_ipv6=both)
    except socket.gaierror as error:
        raise AddressUnavailable(
            f"{table}: there is no host {http.host} now ({error.strerror})",
            f"set `host` under [{table}] to an address of this machine",
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error.strerror
        problem = f"{table}: cannot listen on {http.host} port {http.port} ({reason})"
        if error.errno == errno.EADDRINUSE:
            remedy = f"stop what listens there, or set another `port` under [{table}]"
            raise AddressUnavailable(problem, remedy) from None
        if error.errno == errno.EADDRNOTAVAIL or may_pass(error):
            remedy = f"wait for the address, or set `host` under [{table}] to one of this machine"
            raise AddressUnavailable(problem, remedy) from None
        if error.errno == errno.EACCES:
            raise ConfigError(problem, f"set `port` under [{table}] to 1024 or more") from None
        remedy = f"set `host` and `port` under [{table}] to an address of this machine"
        raise ConfigError(problem, remedy) from None


def load_tls(http: Http, *contexts: ssl.SSLContext) -> None:
    """Load the certificate and its key, once for trial and then into the contexts.

    ConfigError when they cannot be used; the contexts then keep what they have.
    """
    if not http.tls_certificate or not http.tls_key:
        return
    try:
        refuse_readable_by_others(
            http.tls_key,
            http.tls_key.stat(),
            f"http.tls_key {http.tls_key}",
            f"run: chmod o-r {http.tls_key}",
        )
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *contexts):
            # Without a password it would ask for one at the terminal.
            context.load_cert_chain(http.tls_certificate, http.tls_key, password="")
    except OSError as error:
        raise tls_refusal(error) from None


def tls_refusal(error: OSError) -> ConfigError:
    """Give the error for TLS files that cannot be used."""
    return ConfigError(f"http: the TLS files cannot be used ({type(error).__name__})", TLS_REMEDY)
