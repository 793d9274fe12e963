"""Unit 9: batches, loss, optimizer, schedule, the training loop."""
