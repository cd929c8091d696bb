"""A word list to begin with: its form, explained, with made-up words in it."""

from __future__ import annotations

from pathlib import Path

from donkeywatch.errors import ConfigError
from donkeywatch.settings.private_files import create_file

TEXT = """\
# The word list of donkeywatch. It is confidential: mode 0600, owned by the user of donkeywatch,
# never in a repository and never in a mail. All words below are made up and mean nothing, but for
# the five of the topic to compare with: replace them by those that you have from law enforcement, a
# hotline, or your own study.
#
#   donkeywatch lexicon check FILE                counts, and what is wrong; never an entry
#   donkeywatch evaluate QUERIES --lexicon FILE   how much it misses, how much it flags wrongly
#
# Each entry is one word of two letters or more. Case and accents do not matter; docs/lexicon.md has
# the rest.

title = "made-up words: replace them"   # while it says so, every command and the page remind you
# expires = 2027-12-31        # the last day (UTC) on which it may be used

[topics.pedophile.groups]     # a group is a name and its words
child = ["qvortel", "zqimba"]
sex = ["xkarno", "vozqat"]
explicit = ["wqirlo"]

[topics.pedophile.ages]       # ages with a suffix, joined or apart; they are the group `age`
minimum = 1
maximum = 17
suffixes = ["zqy"]

# Categories in order of priority: a query belongs to the first that it matches. Each part of `all`
# must be met by a word of its own; `a|b` is met by either group.
[[topics.pedophile.categories]]
id = "explicit"
all = ["explicit"]

[[topics.pedophile.categories]]
id = "child_sex"
all = ["child", "sex"]

[[topics.pedophile.categories]]
id = "age_sex"
all = ["age", "sex|child"]

# The topic to compare with: the five words of the study.
[topics.pornographic.groups]
words = ["sex", "porno", "anal", "xxx", "porn"]

[[topics.pornographic.categories]]
id = "any"
all = ["words"]
"""


def write(path: Path) -> None:
    """Write the template, for its owner alone; ConfigError where a file is, or none can be."""
    try:
        create_file(path, TEXT, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: there is a file already", "name another one") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be made ({error.strerror})", "name a directory of yours"
        ) from None
