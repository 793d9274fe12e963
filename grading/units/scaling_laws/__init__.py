"""Unit 10, scaling laws: what a run costs, and what it will reach."""
