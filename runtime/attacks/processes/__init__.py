"""Attacks that start processes, signal or read others, or change what a process may do."""
