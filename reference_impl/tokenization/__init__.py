"""Unit 7: byte-level BPE, and how its merges are learned."""
