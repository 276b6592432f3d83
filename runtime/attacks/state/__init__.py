"""Pairs of gradings: what the first leaves behind, the second must not find.

Each function returns two: `leave` is called in one grading, `find` in the next. In one process for both, which is the
positive control, `find` returns what is left.
"""
