"""What happens to requests and answers around the routes."""
