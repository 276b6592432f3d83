"""What gradings ask of services, and how they come out, for those who look on."""
