"""Unit 4: positions of a sequence."""
