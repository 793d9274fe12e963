"""Unit 12: what joins the parts to one model, which faults it may have, and what it would cost."""
