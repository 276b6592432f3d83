"""The sandbox: locked processes of the operating system that run code nobody vouches for."""
