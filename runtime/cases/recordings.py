"""Answers of judges that were recorded for the cases of a file, and the judge that gives them again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from graders import ConfigurationError, Judge, Verdict
from runtime.data.datasets import read_whole
from runtime.data.output_files import write_file

VERSION = 1
"""Of the file of recorded answers."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A judge's answer in a file.

    Attributes:
        question: A digest of all that was asked: model, messages, schema, sampling, and the number of the vote.
        case: The first case that asked.
        model: Who was asked.
        answered_by: The model that really answered.
        output: Its structured answer.
    """

    question: str
    case: str
    model: str
    answered_by: str
    output: Any


class Recordings:
    """The recorded answers of one case file, and which of them are still asked for."""

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there.

        Raises:
            ConfigurationError: When it is not what `--record` writes.
        """
        self.path = path
        self._known = {entry.question: entry for entry in _read_recorded(path)} if path.exists() else {}
        self._used: dict[str, None] = {}
        self._is_new = False

    def __bool__(self) -> bool:
        return bool(self._known)

    def get(self, question: str) -> Recorded | None:
        """The recorded answer to a question; None if it is not recorded."""
        found = self._known.get(question)
        if found is not None:
            self._used[question] = None
        return found

    def put(self, entry: Recorded) -> None:
        """Add an answer."""
        self._known[entry.question] = entry
        self._used[entry.question] = None
        self._is_new = True

    def stale(self) -> list[Recorded]:
        """The answers that nobody asked for."""
        return [entry for question, entry in self._known.items() if question not in self._used]

    def write(self, *, drop_stale: bool = True) -> bool:
        """Write the answers, and whether there was anything to write.

        Args:
            drop_stale: Leave out what was not asked for; not to be done where a grading ended before it asked for all.
        """
        if not self._is_new and not (drop_stale and self.stale()):
            return False
        kept = [entry for question, entry in self._known.items() if question in self._used or not drop_stale]
        kept.sort(key=lambda entry: (entry.case, entry.question))
        content = {"version": VERSION, "answers": [asdict(entry) for entry in kept]}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_file(self.path, text.encode(), follow=False)
        return True


class RecordedJudge:
    """Answers what was recorded, asks another for the rest, and records that."""

    def __init__(self, recordings: Recordings, *, vote: int, case: str, then: Judge) -> None:
        """A judge.

        Args:
            recordings: The answers.
            vote: Which of several gradings of one sample asks.
            case: Whose grading asks.
            then: Whom to ask for what is missing: a real judge, or one that refuses.
        """
        self._recordings, self._vote, self._case, self._next = recordings, vote, case, then

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """Give the recorded answer to exactly this question."""
        asked = [model, list(messages), schema, sampling, name, self._vote]
        text = json.dumps(asked, sort_keys=True, default=dict)
        question = hashlib.sha256(text.encode()).hexdigest()[:32]
        known = self._recordings.get(question)
        if known is not None:
            return Verdict(known.output, known.answered_by)
        verdict = await self._next.ask(
            model=model, messages=messages, schema=schema, sampling=sampling, name=name
        )
        self._recordings.put(Recorded(question, self._case, model, verdict.model, verdict.output))
        return verdict


def _read_recorded(path: Path) -> list[Recorded]:
    hint = f"{path}: not what --record writes; delete it, and record the answers again"
    data = read_whole(path)
    try:
        content = from_json(data)
        version = content["version"]
        found = [Recorded(**entry) for entry in content["answers"] if version == VERSION]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{hint} ({type(error).__name__}: {error})") from None
    if version != VERSION:
        raise ConfigurationError(f"{hint} (version {version!r}, expected {VERSION})")
    return found
