"""Unit 2, text before transformers: counting, bags of words, recurrent networks."""
