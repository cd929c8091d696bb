"""XI4: the real nginx and Caddy in front of a daemon, set up as docs/deployment.md has it."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from conformance.cases import Begun
from conformance.site import Case
from conformance.test_operation import certify
from support.instruments import process

DOCUMENT = Path(__file__).parents[2] / "docs" / "deployment.md"
NAME = "monitor.example.org"
PREFIX = "/donkeywatch"


def examples(language: str) -> list[str]:
    """Code blocks of the document in a language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert blocks
    return blocks


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as result:
        port: int = result.getsockname()[1]
        return port


def nginx(example: str, upstream: str, directory: Path, need: Callable[[str], str]) -> list[str]:
    """The command of an nginx with one server of the document, on loopback."""
    certify(directory, need("openssl"))
    server = (
        example.replace("listen 443", "listen 127.0.0.1:PORT")
        .replace("/etc/nginx/tls.pem", str(directory / "cert.pem"))
        .replace("/etc/nginx/tls.key", str(directory / "key.pem"))
        .replace("127.0.0.1:9461", upstream)
    )
    paths = "".join(
        f"{name}_temp_path {directory / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "proxy.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{server}}}\n"
    )
    return [need("nginx"), "-c", str(directory / "proxy.conf"), "-p", str(directory)]


def caddy(example: str, upstream: str, directory: Path, need: Callable[[str], str]) -> list[str]:
    """The command of a Caddy with one site of the document, on loopback and without TLS."""
    site = example.replace(NAME, f"http://{NAME}:PORT").replace("127.0.0.1:9461", upstream)
    (directory / "proxy.conf").write_text(
        f"{{\nadmin off\nauto_https off\ndefault_bind 127.0.0.1\n}}\n{site}"
    )
    command = ["run", "--adapter", "caddyfile", "--config", str(directory / "proxy.conf")]
    return [need("caddy"), *command]


EXAMPLES = [(program, example) for program in ("nginx", "caddy") for example in examples(program)]


@contextmanager
def proxied(command: list[str], directory: Path, *, secure: bool) -> Iterator[str]:
    """A proxy that answers; its URL."""
    port = free_port()
    configuration = directory / "proxy.conf"
    configuration.write_text(configuration.read_text().replace("PORT", str(port)))
    with process(command, directory / "proxy.log", HOME=str(directory)):
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < until, (directory / "proxy.log").read_text()
                time.sleep(0.05)
        yield f"{'https' if secure else 'http'}://127.0.0.1:{port}"


@pytest.mark.scenario("XI4")
@pytest.mark.parametrize(("program", "example"), EXAMPLES, ids=lambda part: part[:5])
def test_a_proxy_as_documented(
    begun: Begun, need: Callable[[str], str], tmp_path: Path, program: str, example: str
) -> None:
    """Page, files, links, metrics, HEAD and events work; each client has limits of its own."""
    root = PREFIX if PREFIX in example else ""
    (block,) = [result for result in examples("toml") if "names" in result]
    block = block.replace(f'root_path = "{PREFIX}"', f'root_path = "{root}"')
    assert "[http]\n" in block
    reader, _ = begun(Case(), lambda text: text.replace("[http]\n", block))
    upstream = reader.url().removeprefix("http://")
    directory = tmp_path / "proxy"
    directory.mkdir()
    make = {"nginx": nginx, "caddy": caddy}[program]
    command = make(example, upstream, directory, need)
    with (
        proxied(command, directory, secure=program == "nginx") as origin,
        client("127.0.0.1") as first,
        client("127.0.0.2") as other,
    ):
        url = origin + root
        page = first.get(f"{url}/")
        assert page.status_code == 200
        links = re.findall(r'(?:href|src)="(assets/[^"]+)"', page.text)
        assert len(links) >= 3
        for link in links:
            assert first.get(f"{url}/{link}").status_code == 200
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/fractions", "/"):
            assert first.get(url + path).status_code == 200
            assert first.head(url + path).status_code == 200
        assert first.get(f"{url}/nothing").status_code == 404
        schema = first.get(f"{url}/openapi.json").json()
        assert schema.get("servers") == ([{"url": root}] if root else None)
        if root:
            bare = first.get(url)
            assert bare.status_code in (301, 302, 308)
            assert bare.headers["location"].removesuffix("/").endswith(root[1:])
        if program == "nginx":  # Caddy itself answers to no other name.
            wrong = first.get(f"{url}/metrics", headers={"Host": "evil.example"})
            assert wrong.status_code == 421
        with ExitStack() as held:
            codes = Counter(
                held.enter_context(first.stream("GET", f"{url}/api/v1/events")).status_code
                for _ in range(10)
            )
            assert codes == {200: 8, 503: 2}
            with other.stream("GET", f"{url}/api/v1/events") as stream:
                assert stream.status_code == 200
                assert next(stream.iter_lines()) == "event: update"
    direct = f"{reader.url()}/metrics"
    with client("127.0.0.1", None) as ours:
        assert ours.get(direct).status_code == 200
    reader.stop()


@contextmanager
def client(source: str, host: str | None = NAME) -> Iterator[httpx.Client]:
    """A browser of another address on this machine, which asks for the proxy's name."""
    transport = httpx.HTTPTransport(local_address=source, verify=False)
    headers = {"Host": host} if host else {}
    with httpx.Client(transport=transport, headers=headers, timeout=10) as made:
        yield made
