"""Answers of models: one for a row of an eval run, or several for each row of a file."""
