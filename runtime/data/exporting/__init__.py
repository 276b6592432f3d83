"""Exports of graded files: rows for supervised fine-tuning, preference optimisation and reinforcement fine-tuning."""
