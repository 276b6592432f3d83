"""The sets of packages that Python graders can import."""
