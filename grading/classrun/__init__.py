"""A class run: who handed in, workers, the gradebook, the table."""
