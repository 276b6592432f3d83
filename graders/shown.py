"""Texts that a judge is shown, and whose fault it is when they are too long."""

CONTEXT_LENGTH = "context_length_exceeded"
"""The `type` of a failure: the prompt does not fit into the judge's context."""
