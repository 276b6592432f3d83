"""What a run of case files came to: as data for programs, as lines for people, and as JUnit's XML."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from runtime.cases.model import CaseFile
from runtime.cases.run import CaseOutcome
from runtime.data.printable import printable
from runtime.explain.explanation import Explanation

DOTS = {"passed": ".", "failed": "F", "error": "E"}
"""What stands for each outcome while a file runs."""

Lines = Callable[[Explanation], Sequence[str]]
"""An explanation as lines for a person."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class FileReport:
    """What the cases of one file came to.

    Attributes:
        file: The file.
        outcomes: Of its cases and orders, in the order of the file.
        unreached: What no case reached, a line each.
        stale: Recorded answers that nobody asks for any more, a line each.
        recorded: Whether the file of recorded answers was written.
    """

    file: CaseFile
    outcomes: Sequence[CaseOutcome]
    unreached: Sequence[str] = ()
    stale: Sequence[str] = ()
    recorded: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "file": str(self.file.path),
            "cases": [_case(outcome) for outcome in self.outcomes],
            "unreached": list(self.unreached),
            "stale": list(self.stale),
        }


def counted(reports: Iterable[FileReport]) -> Counter[str]:
    """How many passed, failed, and were errors."""
    return Counter(outcome.status for report in reports for outcome in report.outcomes)


def outcome_lines(outcome: CaseOutcome, where: str, explained: Lines) -> list[str]:
    """What is wrong with one case, and its grading laid open.

    Args:
        outcome: One that did not pass.
        where: Its file.
        explained: Shows a grading.
    """
    lines = [f"{outcome.status}: {printable(outcome.name)} ({where}:{outcome.line})"]
    lines += [f"  {printable(error)}" for error in outcome.errors]
    for found in outcome.mismatches:
        lines.append(f"  {found.what}: expected {printable(found.expected)}, got {printable(found.got)}")
    if outcome.explanation is not None and not outcome.errors:
        lines += ["", *(f"    {line}" for line in explained(outcome.explanation))]
    return lines


def junit(reports: Sequence[FileReport], explained: Lines) -> bytes:
    """The XML that JUnit writes, and that servers of continuous integration read."""
    suites = ET.Element("testsuites", name="graders test")
    for report in reports:
        counts = counted([report])
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=str(report.file.path),
            tests=str(counts.total()),
            failures=str(counts["failed"]),
            errors=str(counts["error"]),
            time=f"{sum(outcome.seconds for outcome in report.outcomes):.3f}",
        )
        for outcome in report.outcomes:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=str(report.file.path),
                name=_xml(outcome.name),
                file=str(report.file.path),
                line=str(outcome.line),
                time=f"{outcome.seconds:.3f}",
            )
            if outcome.status != "passed":
                kind = "error" if outcome.status == "error" else "failure"
                wrong = ET.SubElement(case, kind, message=_xml("; ".join(_wrong(outcome))))
                wrong.text = _xml("\n".join(outcome_lines(outcome, str(report.file.path), explained)))
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text


def _wrong(outcome: CaseOutcome) -> Iterator[str]:
    yield from outcome.errors
    for found in outcome.mismatches:
        yield f"{found.what}: expected {found.expected}, got {found.got}"


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", text)


def _case(outcome: CaseOutcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "name": outcome.name,
        "line": outcome.line,
        "status": outcome.status,
        "reward": None if result is None else result.reward,
        "passed": None if result is None else result.passed,
        "mismatches": [
            {"what": found.what, "expected": found.expected, "got": found.got} for found in outcome.mismatches
        ],
        "errors": list(outcome.errors),
        "explanation": (
            None
            if outcome.explanation is None or outcome.status == "passed"
            else outcome.explanation.to_dict()
        ),
        "seconds": outcome.seconds,
    }
