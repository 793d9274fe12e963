"""Unit 6: the decoder around attention."""
