"""What the course consists of: exercises, units, their sources and versions."""
