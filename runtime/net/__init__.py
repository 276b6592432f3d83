"""The network as graders may use it."""
