"""Google's reward configuration: what it is made of, and its scorers."""
