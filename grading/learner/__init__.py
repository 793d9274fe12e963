"""A learner at home: their folder, what they have done, and the way back into the book."""
