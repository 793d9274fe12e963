"""Unit 4: data of any kind as a sequence of vectors, and the order of that sequence."""
