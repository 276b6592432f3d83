"""Exports of other systems as rows `{item, sample, recorded?, source}`: one source system a file, `read.py` for all of them."""
