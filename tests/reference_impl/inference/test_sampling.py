"""Sampling: worked examples, and drawn frequencies against the probabilities meant."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from reference_impl.inference.sampling import (
    Sampler,
    greedy,
    min_p,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
)

vocabularies = st.lists(
    st.floats(-8, 8, width=32), min_size=2, max_size=12, unique_by=lambda x: round(x, 3)
)


def draw(sampler: Sampler, logits: torch.Tensor, n: int = 20_000) -> torch.Tensor:
    """How often each token came in n draws."""
    tokens = sampler(logits.expand(n, -1))
    return torch.bincount(tokens, minlength=len(logits))


def test_greedy_takes_the_first_of_equals():
    assert greedy(torch.tensor([[1.0, 5.0, 5.0], [7.0, 2.0, 7.0]])).tolist() == [1, 0]


@given(vocabularies, st.floats(0.1, 5))
def test_temperature_is_transformers_(values, t):
    logits = torch.tensor([values])
    torch.testing.assert_close(temperature(logits, t), TemperatureLogitsWarper(t)(None, logits))


@given(vocabularies, st.integers(1, 20))
def test_top_k_is_transformers_(values, k):
    logits = torch.tensor([values])
    assert torch.equal(top_k(logits, k), TopKLogitsWarper(k)(None, logits))


@given(vocabularies, st.floats(0.01, 0.99))
def test_top_p_is_transformers_except_at_the_edge(values, p):
    logits = torch.tensor([values])
    ours, theirs = top_p(logits, p), TopPLogitsWarper(p)(None, logits)
    sums = logits.softmax(-1).sort(descending=True).values.cumsum(-1)
    if (sums - p).abs().min() > 1e-5:  # else the two sum in another order and round otherwise
        assert torch.equal(ours, theirs)


@given(vocabularies, st.floats(0.01, 1))
def test_top_p_keeps_the_smallest_set_that_reaches_p(values, p):
    logits = torch.tensor(values)
    probabilities = logits.softmax(-1)
    kept = probabilities[~top_p(logits, p).isinf()]
    assert len(kept) >= 1
    assert kept.sum().item() >= p - 1e-5
    assert kept.sum().item() - kept.min().item() < p + 1e-5
    dropped = probabilities[top_p(logits, p).isinf()]
    assert len(dropped) == 0 or dropped.max() <= kept.min()


def test_top_p_by_hand():
    # Sorted: 0.5, 0.25, 0.125, 0.125, so the sums are 0.5, 0.75, 0.875, 1.
    logits = torch.tensor([0.125, 0.5, 0.125, 0.25]).log()
    for p, kept in [(0.3, [1]), (0.5, [1]), (0.6, [1, 3]), (0.75, [1, 3]), (1.0, [0, 1, 2, 3])]:
        assert torch.isfinite(top_p(logits, p)).nonzero().flatten().tolist() == kept


def test_rows_of_a_batch_are_apart():
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    inf = float("inf")
    assert top_k(logits, 2).tolist() == [[3.0, 2.0, -inf], [-inf, 2.0, 3.0]]
    assert top_p(logits, 0.5).tolist() == [[3.0, -inf, -inf], [-inf, -inf, 3.0]]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # From probabilities 0.5, 0.3, 0.15, 0.05, computed by hand.
        ({"temperature": 1.0}, [0.5, 0.3, 0.15, 0.05]),
        # Squared: 0.25, 0.09, 0.0225, 0.0025, sum 0.365.
        ({"temperature": 0.5}, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
        ({"temperature": 1.0, "top_k": 2}, [0.625, 0.375, 0.0, 0.0]),
        ({"temperature": 1.0, "top_p": 0.9}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0.0]),
        # Top-k first: of the 0.625 and 0.375 that it leaves, the first alone reaches 0.6.
        ({"temperature": 1.0, "top_k": 2, "top_p": 0.6}, [1.0, 0.0, 0.0, 0.0]),
        # Temperature before top-p: 0.685 alone reaches 0.6, at temperature 1 it takes two.
        ({"temperature": 0.5, "top_p": 0.6}, [1.0, 0.0, 0.0, 0.0]),
        ({"temperature": 1.0, "top_p": 0.6}, [0.625, 0.375, 0.0, 0.0]),
    ],
    ids=str,
)
def test_draws_follow_the_distribution(settings, expected):
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    counts = draw(Sampler(**settings, seed=0), logits)
    expected = torch.tensor(expected, dtype=torch.float64)
    possible = expected > 0
    assert (counts[~possible] == 0).all()
    test = chisquare(counts[possible].numpy(), (expected[possible] * counts.sum()).numpy())
    assert possible.sum() == 1 or test.pvalue > 1e-3


def test_seeds():
    logits = torch.randn(64, 50, generator=torch.Generator().manual_seed(0))

    def tokens(seed):
        return Sampler(temperature=1.0, seed=seed)(logits).tolist()

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(2)
    assert tokens(None) != tokens(None)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    Sampler(temperature=1.0, seed=1)(torch.zeros(1, 5))
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_logits_are_drawn_from():
    logits = torch.tensor([0.5, 0.5, 0.0]).log().bfloat16()
    counts = draw(Sampler(temperature=1.0, top_p=0.9, seed=0), logits, n=1000)
    assert counts[2] == 0 and counts.min() == 0 and math.isclose(counts[0], 500, abs_tol=80)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: temperature(x, 0.0), "temperature=0.0 is not a finite number above 0"),
        (lambda x: temperature(x, math.nan), "temperature=nan is not a finite number above 0"),
        (lambda x: temperature(x, math.inf), "temperature=inf is not a finite number above 0"),
        (lambda x: temperature(x, 1e-45), "temperature=1e-45 is not a finite number above 0"),
        (lambda x: Sampler(temperature=math.nan), "temperature=nan"),
        (lambda x: Sampler(temperature=math.inf), "temperature=inf"),
        (lambda x: top_p(x, math.nan), "top_p=nan"),
        (lambda x: min_p(x, -0.1), "min_p=-0.1"),
        (lambda x: min_p(x, 1.1), "min_p=1.1"),
        (lambda x: min_p(x, math.nan), "min_p=nan"),
        (lambda x: repetition_penalty(x[None], x[None, :1].long(), 0.0), "repetition_penalty=0.0"),
        (lambda x: Sampler(1.0, top_k=0), "top_k=0 would keep no token"),
        (lambda x: Sampler(top_p=0.0), "top_p=0.0"),
        (lambda x: Sampler(min_p=2.0), "min_p=2.0"),
        (lambda x: Sampler(repetition_penalty=math.nan), "repetition_penalty=nan"),
        (lambda x: Sampler(repetition_penalty=1.1)(x[None]), "pass token_ids"),
        (lambda x: top_k(x, 0), "top_k=0 would keep no token"),
        (lambda x: top_p(x, 0.0), r"top_p=0.0 .* \(0, 1\]"),
        (lambda x: top_p(x, 1.5), r"top_p=1.5 .* \(0, 1\]"),
        (lambda x: Sampler(temperature=-1.0), "temperature=-1.0 is negative"),
    ],
)
def test_settings_that_make_no_sense(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.zeros(3))


# --- where a sum meets p exactly, and other edges ------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("probabilities", "p", "kept"),
    [
        ([0.3, 0.1, 0.1, 0.5], 0.8, [0, 3]),
        ([0.1] * 10, 0.6, [0, 1, 2, 3, 4, 5]),
        ([0.1] * 10, 0.05, [0]),
        ([0.1] * 10, 0.1, [0]),
        ([0.1] * 10, 0.9, list(range(9))),
        ([0.25] * 4, 0.75, [0, 1, 2]),
        ([0.4, 0.3, 0.2, 0.1], 0.7, [0, 1]),
        ([0.2] * 5, 1e-9, [0]),
    ],
)
def test_top_p_where_the_sum_meets_p(probabilities, p, kept, dtype):
    logits = torch.tensor(probabilities, dtype=torch.float64).log().to(dtype)
    assert torch.isfinite(top_p(logits, p)).nonzero().flatten().tolist() == kept


@given(st.integers(1, 400), st.integers(1, 400))
def test_top_p_of_equal_tokens_keeps_as_many_as_p_asks(n_tokens, n_kept):
    n_kept = min(n_kept, n_tokens)
    for dtype in torch.float32, torch.bfloat16, torch.float16:
        logits = torch.full((n_tokens,), -7.3, dtype=dtype)
        assert torch.isfinite(top_p(logits, n_kept / n_tokens)).sum() == n_kept


def test_settings_that_keep_everything_are_the_identity():
    logits = torch.randn(3, 49_152, generator=torch.Generator().manual_seed(0)) * 8
    assert torch.equal(top_p(logits, 1.0), logits) and torch.equal(top_p(logits, 1), logits)
    assert torch.equal(min_p(logits, 0.0), logits)
    assert torch.equal(top_k(logits, 49_152), logits)
    none = torch.zeros(3, 0, dtype=torch.int64)
    assert torch.equal(repetition_penalty(logits, none, 1.3), logits)
    assert torch.equal(repetition_penalty(logits, torch.zeros(3, 2).long(), 1.0), logits)


@given(vocabularies, st.floats(0.01, 1))
def test_min_p_is_transformers_except_at_the_edge(values, p):
    logits = torch.tensor([values])
    probabilities = logits.softmax(-1)
    if (probabilities / probabilities.max() - p).abs().min() > 1e-5:
        assert torch.equal(min_p(logits, p), MinPLogitsWarper(p)(None, logits))


def test_min_p_by_hand():
    logits = torch.tensor([0.125, 0.5, 0.125, 0.25]).log()
    for p, kept in [(0.1, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3]), (0.3, [1, 3]), (0.5, [1, 3])]:
        assert torch.isfinite(min_p(logits, p)).nonzero().flatten().tolist() == kept
    assert torch.isfinite(min_p(logits, 1.0)).nonzero().flatten().tolist() == [1]


@given(vocabularies, st.lists(st.integers(0, 1), max_size=5), st.floats(0.5, 3))
def test_repetition_penalty_is_transformers_(values, seen, penalty):
    logits, token_ids = torch.tensor([values]), torch.tensor([seen], dtype=torch.int64)
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(token_ids, logits)
    torch.testing.assert_close(repetition_penalty(logits, token_ids, penalty), theirs)


def test_a_penalty_turns_a_greedy_choice():
    sampler, logits = Sampler(repetition_penalty=2.0), torch.tensor([[3.0, 2.0, 0.0]])
    assert sampler(logits, torch.tensor([[0, 0, 2]])).tolist() == [1]
    assert sampler(logits, torch.tensor([[1, 2, 2]])).tolist() == [0]


def test_a_sampler_with_min_p_draws_among_the_kept():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    counts = draw(Sampler(temperature=1.0, min_p=0.5, seed=0), logits)
    assert counts[2:].tolist() == [0, 0]
    assert chisquare(counts[:2].numpy(), [20_000 * 0.625, 20_000 * 0.375]).pvalue > 1e-3


@pytest.mark.parametrize("t", [1e-320, 1e-45, 1e-38, 1e-31, 1e-29, 1e-9])
def test_the_smallest_temperatures_are_greedy(t):
    logits = torch.tensor([[90.0, 95.0, -40.0], [-3e4, -2e4, -5e4]])
    assert Sampler(temperature=t, seed=0)(logits).tolist() == [1, 1]


@pytest.mark.parametrize("t", [0.0, 1.0])
@pytest.mark.parametrize("row", [[math.nan, 1.0], [math.inf, 1.0], [-math.inf, -math.inf]])
def test_logits_that_are_no_numbers_are_refused(row, t):
    with pytest.raises(ValueError, match="no token can be chosen: look for NaN or infinity"):
        Sampler(temperature=t)(torch.tensor([[0.0, 1.0], row]))


def test_tokens_that_are_ruled_out_are_no_fault():
    logits = torch.tensor([[-math.inf, 1.0, -math.inf]])
    assert Sampler(temperature=2.0, top_p=0.9, min_p=0.1, seed=0)(logits).tolist() == [1]
