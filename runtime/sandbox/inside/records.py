"""What a zygote is told and what it tells: records of a fixed length, so that nothing has to be parsed."""

import struct

RECORD = struct.Struct(">cIi")
"""What it is told and what it tells: a letter, a session's number, an exit status."""
FORK, KILL, ENDED = b"F", b"K", b"E"
REFUSED = 0x7FFF_FFFF
"""The exit status of a session whose fork failed."""
DESCRIPTORS = 4
"""That come with FORK: the session's socket, and its standard input, output and error."""
