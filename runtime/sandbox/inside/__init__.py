"""What runs inside the sandbox: standard library only, imported by the interpreter of an image."""
