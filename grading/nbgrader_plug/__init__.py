"""The judge, the safe reading and the feedback page inside stock nbgrader."""
