"""What every test shares: shape checks on the reference model, and the optional sample data."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# Before the first import of reference_impl: from here on every jaxtyping signature in it is
# checked by beartype. Outside pytest the signatures cost nothing.
install_import_hook("reference_impl", "beartype.beartype")

torch.set_num_threads(2)


@pytest.fixture
def shared_data() -> Path:
    """A folder `shared/data` beside the repository with samples of public files; skips without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no sample data beside the repository (shared/data)")
    return folder
