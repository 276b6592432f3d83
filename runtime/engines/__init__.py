"""Where the rows of a batch are graded: in this process, or by actors on the machines of a Ray cluster."""
