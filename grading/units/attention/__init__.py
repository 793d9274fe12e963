"""Unit 5, attention: its exercises."""
