"""Units 5 and 6: attention, and the decoder around it."""
