"""Unit 12: what joins the parts of all units to one model that speaks."""
