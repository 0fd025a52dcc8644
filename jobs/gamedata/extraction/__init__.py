"""What to read, what is done, and the workers that read it in batches."""
