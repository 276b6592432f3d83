"""The built-in grader types, one a file, and what several of them share."""
