"""Case files: what a grader is expected to give, in YAML or JSONL, run by `graders test` and by pytest."""

from runtime.cases.judges import CaseEvaluator
from runtime.cases.load import find_case_files, load_cases
from runtime.cases.model import PATTERNS, Case, CaseFile, Order
from runtime.cases.report import FileReport, outcome_lines
from runtime.cases.run import Asking, FileRun, Outcome

__all__ = [
    "PATTERNS",
    "Asking",
    "Case",
    "CaseEvaluator",
    "CaseFile",
    "FileReport",
    "FileRun",
    "Order",
    "Outcome",
    "find_case_files",
    "load_cases",
    "outcome_lines",
]
