"""Helpers for work that several tasks of one event loop share."""
