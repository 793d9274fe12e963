"""Unit 8: a language model at work."""
