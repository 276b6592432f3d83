"""A module that does not import."""

raise ImportError("libmissing.so is not there")
