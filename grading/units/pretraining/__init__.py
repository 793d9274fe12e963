"""Unit 09: how a language model is trained, from a batch to a run."""
