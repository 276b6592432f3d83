"""One grading laid open, and how that is shown."""
