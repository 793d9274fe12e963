"""Unit 08: a language model at work."""
