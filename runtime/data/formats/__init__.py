"""The row formats of trainers and hosts, and ours: which one a file has, what its rules are."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from graders import ConfigurationError
from runtime.data.formats.base import Fault, Format, View
from runtime.data.formats.bedrock import Bedrock
from runtime.data.formats.chat_logs import ChatLogs
from runtime.data.formats.columns import Columns
from runtime.data.formats.dpo_chat import DpoChat
from runtime.data.formats.dpo_trl import DpoTrl
from runtime.data.formats.evals_items import EvalsItems
from runtime.data.formats.google import Google
from runtime.data.formats.graded_rows import GradedRows
from runtime.data.formats.hosts import HOSTS
from runtime.data.formats.prompts_trl import PromptsTrl
from runtime.data.formats.rft_chat import RftChat
from runtime.data.formats.sft_chat import SftChat
from runtime.data.formats.sft_trl import SftTrl
from runtime.data.formats.verl import Verl

__all__ = [
    "COLUMNS",
    "FORMATS",
    "HOSTS",
    "Fault",
    "Format",
    "View",
    "format_named",
    "format_of",
    "recognised",
]

COLUMNS = Columns()
FORMATS: tuple[Format, ...] = (
    SftChat(),
    SftTrl(),
    DpoChat(),
    DpoTrl(),
    RftChat(),
    Bedrock(),
    Verl(),
    Google(),
    PromptsTrl(),
    GradedRows(),
    EvalsItems(),
    ChatLogs(),
    COLUMNS,
)


def format_named(name: str) -> Format:
    """The format that `--format` names.

    Raises:
        ConfigurationError: When no format has that name.
    """
    for found in FORMATS:
        if found.name == name:
            return found
    names = ", ".join(each.name for each in FORMATS)
    raise ConfigurationError(f"unknown format {name!r}; expected one of {names}")


def format_of(row: object) -> Format:
    """The format that one row looks like; `COLUMNS` where none fits."""
    if not isinstance(row, dict):
        return COLUMNS
    best = max(FORMATS, key=lambda each: each.likeness(row))
    return best if best.likeness(row) > 0 else COLUMNS


def recognised(rows: Iterable[Any], host: str | None = None) -> Format:
    """The format of a file: the one that most of its rows look like.

    Args:
        rows: The first rows of the file.
        host: Who is to take it: of two formats that differ in little, theirs is meant.
    """
    votes = Counter(format_of(row).name for row in rows if isinstance(row, dict))
    if not votes:
        return COLUMNS
    found = format_named(votes.most_common(1)[0][0])
    if host is not None and host not in found.hosts and found.family:
        return next((each for each in FORMATS if each.family == found.family and host in each.hosts), found)
    return found
