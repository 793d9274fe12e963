"""Unit 2: language models by counting, recurrent networks, bags of words."""
