"""Checks of training data: one check a file, and `check_data` that runs them all in one pass."""

from runtime.data.check.checking import CheckedFile, CheckReport, check_data
from runtime.data.check.constant_answers import AnswerGrading

__all__ = ["AnswerGrading", "CheckReport", "CheckedFile", "check_data"]
