"""Converts a grader for another host."""
