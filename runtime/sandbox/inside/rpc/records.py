"""What a zygote is told and what it tells: records of a fixed length, so that nothing has to be parsed."""

import struct

RECORD = struct.Struct(">cIiII")
"""A letter, a session's number, and of one that ended: its exit status, its processor time in milliseconds, and the most memory
that it held in KiB."""
FORK, KILL, ENDED = b"F", b"K", b"E"
REFUSED = 0x7FFF_FFFF
"""The exit status of a session that could not be forked, for want of memory, processes or descriptors."""
DESCRIPTORS = 4
"""That come with FORK: the session's socket, and its standard input, output and error."""
