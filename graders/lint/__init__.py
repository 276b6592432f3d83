"""What users get wrong in a grader that loads."""
