"""The verbs `token add`, `token list` and `token revoke`, for who may read the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from donkeywatch.cli.application import err, out, token_app
from donkeywatch.cli.shared_options import DEFAULT_CONFIG, ConfigOption
from donkeywatch.counting.calendar import utc
from donkeywatch.errors import UsageError
from donkeywatch.runtime.clocks import wall_ms
from donkeywatch.settings import access_tokens, loader
from donkeywatch.settings.access_tokens import AccessToken

DEFAULT_SCOPES = ("read", "metrics")
NameArgument = Annotated[str, typer.Argument(help="who uses it, such as grafana")]


@token_app.command("add")
def token_add(
    name: NameArgument,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="what it may read: `read`, `metrics`, or `fleet` (sealed keys, of `fleet serve`);"
            " once for each; default: `read` and `metrics`"
        ),
    ] = None,
    config_path: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a token and print it, once: only a hash of it is kept.

    A daemon that was started with these settings takes it at once. Send it as
    `Authorization: Bearer <token>`, or in a browser as the password of any name.
    """
    path, tokens = _read(config_path, may_be_new=True)
    if any(token.name == name for token in tokens):
        raise UsageError(f"there is a token {name}", "revoke it, or take another name")
    scopes = [known for known in access_tokens.SCOPES if known in (scope or DEFAULT_SCOPES)]
    if unknown := set(scope or ()) - set(scopes):
        raise UsageError(f"there is no scope {min(unknown)}", "take `read`, `metrics` or `fleet`")
    stored, token = access_tokens.new_token(name, scopes, utc(wall_ms()).date())
    access_tokens.write_tokens(path, [*tokens, stored])
    err.print(f"{path}: {name} may read: {', '.join(stored.scopes)}; this is shown once:")
    if not tokens:
        err.print("a daemon that was started without `tokens` has to be restarted, to ask for one")
    out.print(token, highlight=False, markup=False, soft_wrap=True)


@token_app.command("list")
def token_list(config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """List the names of the tokens, what each may read, and since when."""
    _, tokens = _read(config_path)
    for token in tokens:
        text = f"{token.name}: {', '.join(token.scopes)}; since {token.added}"
        out.print(text, highlight=False, markup=False, soft_wrap=True)
    if not tokens:
        err.print("no token yet: `donkeywatch token add NAME`")


@token_app.command("revoke")
def token_revoke(name: NameArgument, config_path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Remove a token: the daemon refuses it at once."""
    path, tokens = _read(config_path)
    kept = [token for token in tokens if token.name != name]
    if len(kept) == len(tokens):
        raise UsageError(f"there is no token {name}", "see `donkeywatch token list`")
    access_tokens.write_tokens(path, kept)
    err.print(f"{path}: {name} is revoked")


def _read(config_path: Path, *, may_be_new: bool = False) -> tuple[Path, tuple[AccessToken, ...]]:
    """Give the file of the settings and the tokens in it."""
    path = loader.load(config_path).http.tokens
    if path is None:
        raise UsageError(
            f"the settings {config_path} name no file for tokens",
            'set  tokens = "tokens.json"  under [http], and restart the daemon',
        )
    if may_be_new and not path.exists():
        return path, ()
    return path, access_tokens.read_tokens(path)
