"""Unit 1: neural networks: gradients by hand, a perceptron, real digits."""
