"""Zygotes, their groups, and the sessions that they fork."""
