"""Attacks that use things up: memory, disk, processor time, descriptors, output, patience.

`expect` says how the grading may end. What an attack returns is evidence that it got all it asked for: `bytes` or `count`,
which are far above every limit in earnest, and little in a positive control, where the limit is off and the machine is not
to be harmed. Attacks on patience return nothing and have no such control: that they end by the clock is the test.
"""
