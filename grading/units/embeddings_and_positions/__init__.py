"""Unit 4, embeddings and positions."""
