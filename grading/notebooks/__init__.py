"""Notebooks: released, read back, mended, run and judged."""
