"""The exercises of unit 01, neural networks."""
