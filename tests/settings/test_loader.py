"""One settings file: typed, checked at start, each error with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkeywatch.errors import ConfigError
from donkeywatch.settings import loader

SMALLEST = """
lexicon = "lexicon.toml"
[[source]]
path = "search.log"
format = "tsv"
"""


def written(directory: Path, text: str) -> Path:
    """A settings file."""
    path = directory / "donkeywatch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(directory: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """What the user is told about settings that are refused."""
    with pytest.raises(ConfigError) as refused:
        loader.load(written(directory, text), environ or {})
    assert refused.value.exit_code == 7
    return str(refused.value)


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    """Everything but the lexicon and a source has a default; paths are relative to the file."""
    settings = loader.load(written(tmp_path, SMALLEST), {})
    assert settings.lexicon == tmp_path / "lexicon.toml"
    assert settings.source[0].path == tmp_path / "search.log"
    assert settings.state == tmp_path / "donkeywatch-state"
    assert settings.key_directory == settings.state / "keys"
    assert settings.http.host == "127.0.0.1"
    assert settings.http.loopback


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no log: give at least one table `[[source]]`"),
        (SMALLEST.replace("lexicon", "countries"), "give `lexicon` or `lexicon_command`"),
        ('lexicon = "x"', "there is no log: give at least one table `[[source]]`"),
        ('lexicn = "x"\n' + SMALLEST, "did you mean `lexicon`?"),
        (SMALLEST + "[checkpoint]\nintervall = 2\n", "did you mean `interval`?"),
        (SMALLEST.replace("[[source]]", "[source]"), "source: give a list, with `[[source]]`"),
        (SMALLEST + 'rotated = "x"\n', "rotated: give a list, in brackets"),
        (SMALLEST + "[nonsense]\n", "`nonsense` is not a setting"),
        (SMALLEST + "pth = 1\n", "did you mean `path`?"),
        (SMALLEST.replace('"tsv"', '"csv"'), "source.1.format"),
        (SMALLEST + 'timezone = "Mars/Olympus"\n', "no such time zone"),
        (SMALLEST + 'encoding = "utf-16"\n', "not an encoding that extends ASCII"),
        (SMALLEST + 'encoding = "cp037"\n', "not an encoding that extends ASCII"),
        (SMALLEST + 'encoding = "iso2022_jp"\n', "not an encoding that extends ASCII"),
        (SMALLEST + 'encoding = "raw_unicode_escape"\n', "not an encoding that extends ASCII"),
        (SMALLEST + 'encoding = "no-such"\n', "not an encoding that extends ASCII"),
        (SMALLEST + 'pattern = "x"\n', "`pattern` goes with format `regex`"),
        (SMALLEST.replace('"tsv"', '"regex"'), "needs `pattern`"),
        (SMALLEST.replace('"tsv"', '"regex"') + "pattern = '('\n", "not a regular expression"),
        (SMALLEST.replace('"tsv"', '"regex"') + "pattern = '(?P<ts>.)'\n", "lacks the named group"),
        (SMALLEST + 'keys = {ts = "t"}\n', "`keys` goes with format `jsonl`"),
        (SMALLEST.replace("tsv", "jsonl") + 'keys = {ts = "t", ip = "t"}\n', "one name twice"),
        (SMALLEST + 'time_format = "%H:%M:%S"\n', "four-digit year"),
        (SMALLEST + 'time_format = "%Y-%m-%d %H"\n', "set `timezone`"),
        (SMALLEST + SMALLEST.partition("\n[[")[2].join(["[[", ""]), "the same name"),
        (SMALLEST + "[checkpoint]\ninterval = 0\n", "checkpoint.interval"),
        (SMALLEST + '[http]\nhost = "0.0.0.0"\n', "is not loopback and there is no token"),
        (SMALLEST + '[http]\ntls_key = "k"\n', "go together"),
        (SMALLEST + '[http]\ntoken_file = "missing"\n', "not readable"),
        ("lexicon = ", "not valid TOML"),
        (f"lexicon = {'[' * 5000}", "not valid TOML"),
        (f"lexicon = {'9' * 5000}", "not valid TOML"),
        ('lexicon = ""\n' + SMALLEST.replace("lexicon", "countries"), "empty; name a file"),
        ('state = "a\\u0000b"\n' + SMALLEST, "NUL"),
        (SMALLEST + "[time]\nmax_gap = inf\n", "finite"),
        (SMALLEST + "[backup]\ninterval = 1e300\n", "backup.interval"),
        (SMALLEST + "[retention]\nhourly_weeks = 1" + 20 * "0" + "\n", "retention.hourly_weeks"),
        (SMALLEST + '[http]\nhost = "http://127.0.0.1"\n', "not an address or a host name"),
        (SMALLEST + '[http]\nhost = "127.0.0.1:9461"\n', "not an address or a host name"),
        (SMALLEST + '[http]\nhost = "127.0.1"\n', "not an address or a host name"),
        (SMALLEST + '[http]\nhost = ""\n', "not an address or a host name"),
        (SMALLEST + f'[http]\nhost = "{"x" * 64}.example"\n', "not an address or a host name"),
        ('keys = "donkeywatch-state"\n' + SMALLEST, "is the state directory"),
        ('keys = "donkeywatch-state/backups/x"\n' + SMALLEST, "among its backups"),
        (SMALLEST.replace("search.log", "lexicon.toml"), "a file of donkeywatch's own"),
        (SMALLEST.replace("search.log", "donkeywatch-state/x/../donkeywatch.db"), "own"),
        (SMALLEST + '[http]\ntls_key = "/dev/zero"\ntls_certificate = "c"\n', "not a regular file"),
        (SMALLEST + '[http]\ntoken_file = "/dev/zero"\n', "everybody can read it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    """Missing, unknown, misspelt and impossible settings are refused by name."""
    assert message in refusal(tmp_path, text)


def test_settings_in_another_encoding_are_said_to_be_so(tmp_path: Path) -> None:
    """Rather than at which byte."""
    path = written(tmp_path, SMALLEST)
    path.write_bytes(SMALLEST.encode("utf-16"))
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        loader.load(path, {})
    assert caught.value.remedy == "save the file as UTF-8"


def test_a_directory_of_another_state_is_refused(tmp_path: Path) -> None:
    """Neither the state nor the keys may be in it, or be it."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "donkeywatch.db").touch()
    for setting, place in (("state", "other/state"), ("keys", "other/keys"), ("keys", "other")):
        message = refusal(tmp_path, f'{setting} = "{place}"\n' + SMALLEST)
        assert "the state directory of another donkeywatch" in message
    loader.load(written(tmp_path, 'state = "other"\n' + SMALLEST), {})


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """No settings file is a clear error, too."""
    with pytest.raises(ConfigError, match="not readable"):
        loader.load(tmp_path / "none.toml", {})


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    """The token may come from a variable, a file or a systemd credential, in that order."""
    text = SMALLEST + '[http]\nhost = "0.0.0.0"\ntoken_file = "token"\n'
    (tmp_path / "token").write_text("from-file\n")
    (tmp_path / "token").chmod(0o600)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "token").write_text("from-credential")
    (credentials / "token").chmod(0o440)  # As systemd leaves it where it sets an access list.
    by_file = loader.load(written(tmp_path, text), {})
    assert by_file.http.token is not None
    assert by_file.http.token.get_secret_value() == "from-file"
    by_variable = loader.load(written(tmp_path, text), {"DONKEYWATCH_TOKEN": "from-variable"})
    assert by_variable.http.token is not None
    assert by_variable.http.token.get_secret_value() == "from-variable"
    passed = {"CREDENTIALS_DIRECTORY": str(credentials)}
    by_credential = loader.load(written(tmp_path, SMALLEST), passed)
    assert by_credential.http.token is not None
    assert by_credential.http.token.get_secret_value() == "from-credential"
    assert "from-credential" not in repr(by_credential)
    (credentials / "token").chmod(0o444)
    with pytest.raises(ConfigError, match=r"the credential token, .*`mode: 0400`"):
        loader.load(written(tmp_path, SMALLEST), passed)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    """An empty token file protects nothing, nor does one that all can read, or that is a log."""
    file = tmp_path / "token"
    for text, mode, message in (
        ("\n", 0o600, "empty"), ("zqorv", 0o644, "everybody can read it"),
        ("zqorv\nfnarbl\n", 0o600, "not one word"),
    ):  # fmt: skip
        file.write_text(text)
        file.chmod(mode)
        notice = refusal(tmp_path, SMALLEST + '[http]\ntoken_file = "token"\n')
        assert message in notice
        assert "zqorv" not in notice


def test_a_mistake_in_a_source_is_told_once(tmp_path: Path) -> None:
    """Not also as a source that is missing."""
    message = refusal(tmp_path, SMALLEST + "pth = 1\n")
    assert "did you mean `path`?" in message
    assert "at least 1" not in message


def test_the_state_directory_can_be_overridden(tmp_path: Path) -> None:
    """A variable moves the state, as container images like it."""
    settings = loader.load(written(tmp_path, SMALLEST), {"DONKEYWATCH_STATE": "/srv/state"})
    assert settings.state == Path("/srv/state")


def test_a_message_never_repeats_a_value(tmp_path: Path) -> None:
    """A secret in the wrong place is not printed."""
    message = refusal(tmp_path, SMALLEST + '[http]\nport = "hush-hush"\n')
    assert "hush" not in message
