"""Unit 11: chat templates, fine-tuning, LoRA, the published sources."""
