"""What two graded files, or two graders, have in common and where they differ."""
