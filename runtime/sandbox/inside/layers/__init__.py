"""The layers that lock a process."""
