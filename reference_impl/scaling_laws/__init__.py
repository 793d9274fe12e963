"""Unit 10: what a model costs, and what it will reach."""
