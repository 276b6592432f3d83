"""Case files: what a grader is expected to give, in YAML or JSONL, run by `graders test` and by pytest."""

from runtime.cases.find import find_case_files
from runtime.cases.judges import CaseEvaluator
from runtime.cases.load import load_cases
from runtime.cases.model import PATTERNS, Case, CaseFile, RewardOrder
from runtime.cases.report import FileReport, outcome_lines
from runtime.cases.run import Asking, CaseOutcome, FileRun

__all__ = [
    "PATTERNS",
    "Asking",
    "Case",
    "CaseEvaluator",
    "CaseFile",
    "CaseOutcome",
    "FileReport",
    "FileRun",
    "RewardOrder",
    "find_case_files",
    "load_cases",
    "outcome_lines",
]
