"""The exercises, one folder a unit: `course new unit/name` begins one."""
