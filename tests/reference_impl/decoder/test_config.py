import pytest

from reference_impl.decoder.config import SMOLLM2_135M


def test_uneven_head_groups_are_refused(config_of):
    with pytest.raises(ValueError, match="n_heads=6 .* n_kv_heads=4"):
        config_of(n_heads=6, n_kv_heads=4)


def test_odd_head_dim_is_refused(config_of):
    with pytest.raises(ValueError, match="head_dim=7 is odd"):
        config_of(head_dim=7)


def test_smollm2_is_what_its_file_states(weights_file):
    from reference_impl.published.weights import config_from_gguf

    assert config_from_gguf(weights_file) == SMOLLM2_135M
