"""Plugin graders for the tests of rft-graders."""
