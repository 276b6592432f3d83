"""The same grader for another host, where it can be said there."""
