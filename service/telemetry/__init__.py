"""Metrics, logs, traces and the statistics of stored graders."""
