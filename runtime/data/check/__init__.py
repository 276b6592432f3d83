"""Checks of training data: one check a file, and `check_data` that runs them all in one pass."""

from runtime.data.check.checking import CheckedFile, CheckReport, check_data

__all__ = ["CheckReport", "CheckedFile", "check_data"]
