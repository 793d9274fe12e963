"""Exercises of unit 03, convolutions: one file for each."""
