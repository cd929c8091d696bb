"""A labelled file is read strictly, and what is wrong with it is told without its content."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from donkeywatch.errors import DonkeywatchError, SourceError
from donkeywatch.evaluation.labels import LabelledQuery, read

TOPICS = ("pedophile", "pornographic")
HEAD = "text,label,language,stratum,weight\n"
GOOD = "kazqo vemzqi,pedophile,fr,flagged,40.5\n"
CANARY = "zqcanary"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"


def written(directory: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """A file with this content."""
    path = directory / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_every_column_is_read(tmp_path: Path) -> None:
    """Columns in any order, quotes, commas and line feeds in a text, a mark at the beginning."""
    content = (
        "\ufeffweight, Stratum,label,language,text\r\n"
        '2,unflagged-2,none,und,"tag ""jvo"", a\nb"\r\n'
        "\r\n"
        "1e3,unflagged-2,pornographic pedophile,mul,  kazqo  \r\n"
        ",recall,pedophile,pt,kazqo\r\n,recall-1,pedophile,pt,x\r\n,recall-1,pedophile,pt,x\r\n"
        ",recall,pedophile,pt,kazqo"
    )
    result = read(written(tmp_path, content), TOPICS)
    assert result[:3] == [
        LabelledQuery(2, 'tag "jvo", a\nb', frozenset(), "und", "unflagged-2", 2.0),
        LabelledQuery(5, "kazqo", frozenset(TOPICS), "mul", "unflagged-2", 1000.0),
        LabelledQuery(6, "kazqo", frozenset({"pedophile"}), "pt", "recall", 1.0),
    ]
    assert [row.for_recall for row in result] == [False, False, True, True, True, True]
    assert "kazqo" not in repr(result)


def test_the_inverse_of_a_probability_is_the_weight(tmp_path: Path) -> None:
    """And without either, every row counts once."""
    rows = "a b,none,fr,flagged,0.25\nkazqo,pedophile,fr,flagged,1\n"
    match = read(written(tmp_path, HEAD.replace("weight", "probability") + rows), TOPICS)
    assert [row.weight for row in match] == [4.0, 1.0]
    match = read(
        written(tmp_path, re.sub(r",[^,\n]+$", "", HEAD + rows, flags=re.MULTILINE)), TOPICS
    )
    assert [row.weight for row in match] == [1.0, 1.0]


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    """What docs/evaluation.md shows can be used as it stands."""
    match = re.search(r"```csv\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert match is not None
    assert len(read(written(tmp_path, match[1]), TOPICS)) == 6


WRONG: dict[str, tuple[str | bytes, str]] = {
    "nothing at all": ("", "no labelled query"),
    "names of columns alone": (HEAD, "no labelled query"),
    "no names of columns": (GOOD.replace("kazqo", CANARY) * 3, "line 1: no column `text`"),
    "another separator": (HEAD.replace(",", ";"), "line 1: no column `text`"),
    "an unknown column": (
        f"{HEAD.strip()},{CANARY}\n",
        "line 1: column 6 is unknown or there twice",
    ),
    "a column twice": (f"{HEAD.strip()},text\n", "line 1: column 6 is unknown or there twice"),
    "both weights": (f"{HEAD.strip()},probability\n", "line 1: both `weight` and `probability`"),
    "not UTF-8": (HEAD.encode() + f"{CANARY}\xe9".encode("cp1252"), "line 2: not UTF-8"),
    "UTF-16": ((HEAD + GOOD).encode("utf-16"), "line 1: not UTF-8"),
    "an unclosed quote": (f'{HEAD}{GOOD}"{CANARY},none,fr,flagged,1\n', "line 3: not CSV"),
    "a quote inside": (f'{HEAD}"{CANARY}"x,none,fr,flagged,1\n', "line 2: not CSV"),
    "an enormous text": (f"{HEAD}{CANARY * 20_000},none,fr,flagged,1\n", "line 2: not CSV"),
    "a comma too many": (f"{HEAD}{GOOD}{CANARY},a,none,fr,flagged,1\n", "line 3: 6 fields where"),
    "a text for a label": (f"{HEAD}none,{CANARY},fr,flagged,1\n", "line 2: not a label"),
    "no label": (f"{HEAD}{CANARY},,fr,flagged,1\n", "line 2: not a label"),
    "a topic and none": (f"{HEAD}{CANARY},none pedophile,fr,flagged,1\n", "line 2: not a label"),
    "a text for a language": (f"{HEAD}x,none,{CANARY},flagged,1\n", "line 2: not a language"),
    "a text for a stratum": (f"{HEAD}x,none,fr,{CANARY},1\n", "line 2: not a stratum"),
    "a text for a weight": (f"{HEAD}x,none,fr,flagged,{CANARY}\n", "line 2: not a weight"),
    "no weight": (f"{HEAD}{CANARY},none,fr,flagged,\n", "line 2: not a weight"),
    "a weight of 0": (f"{HEAD}{CANARY},none,fr,flagged,0\n", "line 2: not a weight"),
    "an endless weight": (f"{HEAD}{CANARY},none,fr,flagged,inf\n", "line 2: not a weight"),
    "a weight that is none": (f"{HEAD}{CANARY},none,fr,flagged,nan\n", "line 2: not a weight"),
    "a decimal comma": (f'{HEAD}{CANARY},none,fr,flagged,"0,5"\n', "line 2: not a weight"),
    "more than certain": (
        f"{HEAD.replace('weight', 'probability')}{CANARY},none,fr,flagged,1.5\n",
        "line 2: not a probability",
    ),
    "an irrelevant query in recall": (
        f"{HEAD}{CANARY},none,fr,recall,\n",
        "line 2: stratum `recall`",
    ),
    "a weight in recall": (
        f"{HEAD}{CANARY},pedophile,fr,recall,3\n",
        "line 2: a weight in stratum",
    ),
    "a stratum of one row": (
        f"{HEAD}{GOOD * 2}{CANARY},none,fr,unflagged,3\n",
        "unflagged has one row",
    ),
    "nothing relevant": (HEAD + f"{CANARY},none,fr,flagged,1\n" * 2, "every label is `none`"),
}


@pytest.mark.parametrize("slip", WRONG)
def test_a_wrong_file_is_told_by_line_and_not_by_content(tmp_path: Path, slip: str) -> None:
    """The fact, the line where there is one, a remedy; never what stands in the file."""
    content, message = WRONG[slip]
    with pytest.raises(SourceError) as caught:
        read(written(tmp_path, content), TOPICS)
    assert message in caught.value.problem
    assert len(caught.value.remedy) > 10
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It holds queries, so it is guarded as the lexicon is."""
    with pytest.raises(DonkeywatchError, match=r"others can read it .* -> run: chmod 600"):
        read(written(tmp_path, HEAD + GOOD, 0o644), TOPICS)
    with pytest.raises(DonkeywatchError, match="not readable"):
        read(tmp_path / "other.csv", TOPICS)
