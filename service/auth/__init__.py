"""Who may do what, and how much at a time."""
