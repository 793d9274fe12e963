"""What every test shares: shape checks on the reference model, and the optional sample data."""

import os
from pathlib import Path

# Before torch is imported: threads that wait must sleep, or tests that run side by side spend
# their time waiting for one another.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Before the first import of reference_impl: from here on every jaxtyping signature in it is
# checked by beartype. Outside pytest the signatures cost nothing.
install_import_hook("reference_impl", "beartype.beartype")

# One thread: the tensors here are tiny, and tests run side by side.
torch.set_num_threads(1)

# The same examples every time, and no verdict from the clock: a test fails for what it found.
settings.register_profile(
    "course",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("course")


@pytest.fixture
def shared_data() -> Path:
    """A folder `shared/data` beside the repository with samples of public files; skips without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no sample data beside the repository (shared/data)")
    return folder
