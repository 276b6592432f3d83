"""What the tests of case files share: cases out of a text, and what became of them."""

from pathlib import Path

from runtime import Settings
from runtime.cases import Asking, CaseEvaluator, CaseFile, CaseOutcome, FileRun, load_cases
from runtime.data.grader_file import GraderFile

EXACT = 'grader: {type: string_check, input: "{{sample.output_text}}", reference: "{{item.answer}}", operation: eq}\n'
SCORED = (
    'grader: {type: score_model, model: m, input: [{role: user, content: "Rate {{sample.output_text}}"}]}\n'
)


def loaded(folder: Path, text: str, name: str = "a.cases.yaml") -> CaseFile:
    """A case file out of its text."""
    path = folder / name
    path.write_text(text, newline="")
    return load_cases(path, GraderFile)


async def outcomes(file: CaseFile, settings: Settings, asking: Asking = "recorded") -> dict[str, CaseOutcome]:
    """What became of each case and of each order, by name; recorded answers are written as `--record` does."""
    async with CaseEvaluator(settings=settings, live=asking == "live") as evaluator:
        run = FileRun(evaluator, file, asking=asking)
        found = [await run.case(case) for case in file.cases]
        found += [await run.order(order) for order in file.orders]
        if asking == "record":
            run.recordings.write()
        return {outcome.name: outcome for outcome in found}


def wrong(outcome: CaseOutcome) -> list[str]:
    """What is not as expected, a line each."""
    return [f"{found.what}: expected {found.expected}, got {found.got}" for found in outcome.mismatches]
