"""What `code_tests` is made of: the code in an answer, the forms of tests, comparison, and the run itself."""
