"""Published weights and tokenizers, read from their files."""
