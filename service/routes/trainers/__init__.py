"""What trainers ask as they are: one file a trainer, in the form that it sends and reads."""
