"""Rows, grader files and results: read, checked and written."""
