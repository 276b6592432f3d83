"""What the service promises, under load."""
