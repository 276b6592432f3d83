"""What goes to and fro between a locked process and its supervisor."""
