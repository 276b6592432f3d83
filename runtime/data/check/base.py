"""What one check of training data is: it looks at every row once, and says at the end what only the whole file shows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.data.findings import Finding
from runtime.data.formats import View
from runtime.data.formats.base import is_identity

FEWEST = 10
"""Rows below which shares say nothing."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that could be read.

    Attributes:
        number: Its line or position, from 1.
        value: The row.
        view: Its parts.
    """

    number: int
    value: Mapping[str, Any]
    view: View


class Check:
    """One check of one file; it holds little, however many rows there are."""

    def add(self, row: CheckedRow) -> Iterable[Finding]:
        """Look at a row; gives what is wrong with it."""
        del row
        return ()

    def findings(self) -> Iterable[Finding]:
        """What the whole file shows, after the last row."""
        return ()

    def figures(self) -> Mapping[str, Any]:
        """Numbers for the report, as plain data."""
        return {}


def digest(*parts: object) -> int:
    """64 bits of plain data or texts: equal ones have equal numbers."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        text = part if isinstance(part, str) else canonical(part)
        hashed.update(text.encode("utf-8", "surrogatepass"))
        hashed.update(b"\0")
    return int.from_bytes(hashed.digest(), "big")


def canonical(value: object) -> str:
    """The JSON text of plain data, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def without_identity(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the fields that only tell rows apart, and without null, which parquet has for nothing."""
    return {name: value for name, value in row.items() if value is not None and not is_identity(name)}


def normal(text: str) -> str:
    """A text without differences of case and white space."""
    return " ".join(text.casefold().split())


def prompt_digest(view: View) -> int | None:
    """What is equal for two rows that ask the same; None for a row without a prompt."""
    return digest(normal(view.prompt)) if view.prompt.strip() else None


def percent(share: float) -> str:
    """A share in words: `41 %`."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.005 else f"{100 * share:.2g} %"
