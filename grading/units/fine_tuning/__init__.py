"""Exercises of unit 11: chat template, loss mask, packing, sources, LoRA, a tuned model."""
