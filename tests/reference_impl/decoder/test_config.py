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


@pytest.mark.parametrize(
    "name", ["vocab_size", "context_length", "d_model", "n_heads", "head_dim", "d_ff"]
)
@pytest.mark.parametrize("size", [0, -2])
def test_sizes_of_nothing_are_refused(config_of, name, size):
    with pytest.raises(ValueError, match=f"{name}={size}: give 1 or more"):
        config_of(**{name: size})


@pytest.mark.parametrize(
    "numbers",
    [{"rope_theta": 0.0}, {"rope_theta": float("nan")}, {"rope_theta": float("inf")}]
    + [{"norm_eps": -1e-5}, {"norm_eps": float("nan")}],
    ids=str,
)
def test_numbers_that_would_make_every_answer_nan_are_refused(config_of, numbers):
    with pytest.raises(ValueError, match="must be finite"):
        config_of(**numbers)
