"""Unit 7, tokenization: byte-level BPE learned and applied, special tokens, what a text costs."""
