"""The service of rft-graders: HTTP and command line. It holds no grading logic."""
