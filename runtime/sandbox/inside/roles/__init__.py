"""What a locked process does."""
