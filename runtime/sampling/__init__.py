"""Samples drawn from a model for the rows of a dataset."""
