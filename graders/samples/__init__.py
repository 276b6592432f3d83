"""What a model answered: its shapes, its reasoning, and values as plain data."""
