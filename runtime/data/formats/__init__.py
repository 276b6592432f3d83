"""The row formats of trainers and hosts, and ours: which one a file has, what its rules are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graders import ConfigurationError
from runtime.data.formats.base import Fault, Format, View
from runtime.data.formats.bedrock import Bedrock
from runtime.data.formats.bedrock_dpo import BedrockDpo
from runtime.data.formats.bedrock_sft import BedrockSft
from runtime.data.formats.chat_logs import ChatLogs
from runtime.data.formats.columns import Columns
from runtime.data.formats.dpo_chat import DpoChat
from runtime.data.formats.dpo_trl import DpoTrl
from runtime.data.formats.evals_items import EvalsItems
from runtime.data.formats.google import Google
from runtime.data.formats.google_preference import GooglePreference
from runtime.data.formats.google_sft import GoogleSft
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
    "errors_of",
    "format_for",
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
    BedrockSft(),
    BedrockDpo(),
    Verl(),
    Google(),
    GoogleSft(),
    GooglePreference(),
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
        host: Who is to take it: a format of theirs is meant whose rules most rows keep, or that differs in little.
    """
    given = [row for row in rows if isinstance(row, dict)]
    if not given:
        return COLUMNS
    found = format_named(Counter(format_of(row).name for row in given).most_common(1)[0][0])
    if host is None or host in found.hosts:
        return found
    fitting = {each: _fitting(given, each, host) for each in FORMATS if host in each.hosts}
    best = max(fitting, key=lambda each: fitting[each])
    if fitting[best] > len(given) / 2:  # columns of its author may look like another format
        return best
    if found.family:
        return next((each for each in FORMATS if each.family == found.family and host in each.hosts), found)
    return found


def _fitting(rows: Iterable[Mapping[str, Any]], form: Format, host: str) -> int:
    """How many rows look like a format and have no error in it."""
    return sum(form.likeness(row) > 0 and not any(errors_of(row, form, host)) for row in rows)


def errors_of(row: Mapping[str, Any], form: Format, host: str) -> Iterator[Fault]:
    """What a host would refuse of a row in one of its formats."""
    for fault in form.faults(row):
        if fault.level == "error" and (not fault.hosts or host in fault.hosts):
            yield fault


def format_for(host: str, kind: str, row: Mapping[str, Any]) -> Format | None:
    """The format of a host for one kind of training that a row looks like most; None where it looks like none of them."""
    those = [each for each in FORMATS if host in each.hosts and each.kind == kind and each.likeness(row) > 0]
    return max(those, key=lambda each: each.likeness(row), default=None)
