"""Unit 3: convolution, receptive fields, residual blocks."""
