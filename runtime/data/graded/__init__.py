"""Graded files: the results of `graders run`, with their rows or beside the file of the rows."""
