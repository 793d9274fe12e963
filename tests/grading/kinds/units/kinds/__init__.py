"""A worked example of each kind of exercise."""
