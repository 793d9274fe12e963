"""Loss: against PyTorch's, and what the figures made of it must not depend on."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.pretraining.loss import (
    IGNORE_ID,
    bits_per_byte,
    cross_entropy,
    perplexity,
    token_losses,
)

sizes = st.integers(1, 7)


def example(batch, seq, vocab, seed, scale, share_ignored=0.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(batch, seq, vocab, generator=generator)
    targets = torch.randint(vocab, (batch, seq), generator=generator)
    ignored = torch.rand(batch, seq, generator=generator) < share_ignored
    return logits.requires_grad_(), targets.masked_fill(ignored, IGNORE_ID)


@given(sizes, sizes, sizes, st.integers(0, 99), st.sampled_from([1e-3, 1.0, 300.0]))
def test_values_and_gradients_are_those_of_torch(batch, seq, vocab, seed, scale):
    logits, targets = example(batch, seq, vocab, seed, scale, share_ignored=0.4)
    targets[0, 0] = 0  # torch has no mean of nothing
    theirs = logits.detach().clone().requires_grad_()
    ours, expected = cross_entropy(logits, targets), F.cross_entropy(theirs.mT, targets)
    ours.backward(), expected.backward()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    rounding = 1e-5 + 1e-6 * scale  # large logits lose their last digits before the exponential
    torch.testing.assert_close(logits.grad, theirs.grad, rtol=rounding, atol=1e-7)
    each = F.cross_entropy(theirs.mT, targets, reduction="none")
    torch.testing.assert_close(token_losses(logits, targets), each, rtol=1e-5, atol=1e-6)


def test_another_ignored_id_may_be_a_real_token_elsewhere():
    logits, targets = example(2, 5, 7, seed=0, scale=2.0)
    targets[:, -2:] = 3
    torch.testing.assert_close(
        cross_entropy(logits, targets, ignore_id=3),
        F.cross_entropy(logits.mT, targets, ignore_index=3),
    )


def test_huge_logits_neither_overflow_nor_round_to_nothing():
    logits = torch.tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    losses = token_losses(logits, torch.tensor([0, 0]))
    losses.sum().backward()
    assert losses.tolist() == [0.0, 1e4]
    assert logits.grad.tolist() == [[0.0, 0.0], [-1.0, 1.0]]


def test_forbidden_tokens_cost_nothing_and_have_no_gradient():
    logits = torch.tensor([[0.0, 0.0, -math.inf]], requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad.tolist() == [[-0.5, 0.5, 0.0]]


def test_half_precision_logits_give_a_float32_loss():
    logits, targets = example(3, 5, 11, seed=1, scale=3.0)
    half = logits.detach().bfloat16()
    loss = cross_entropy(half, targets)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(half.float(), targets))


def test_each_real_token_weighs_the_same():
    logits, _ = example(2, 4, 5, seed=2, scale=2.0)
    targets = torch.tensor([[1, 2, 3, 4], [0, IGNORE_ID, IGNORE_ID, IGNORE_ID]])
    rows = [token_losses(logits[i, :n], targets[i, :n]) for i, n in enumerate((4, 1))]
    torch.testing.assert_close(cross_entropy(logits, targets), torch.cat(rows).mean())
    mean_of_means = (rows[0].mean() + rows[1].mean()) / 2
    assert abs(cross_entropy(logits, targets) - mean_of_means) > 0.1  # the two can be told apart


def test_no_real_token_means_no_loss_and_no_gradient():
    logits, targets = example(2, 3, 5, seed=3, scale=1.0, share_ignored=1.1)
    loss = cross_entropy(logits, targets)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_targets_are_left_as_they_were():
    logits, targets = example(2, 3, 5, seed=4, scale=1.0, share_ignored=0.5)
    before = targets.clone()
    cross_entropy(logits, targets)
    assert torch.equal(targets, before)


def test_a_fresh_decoder_knows_nothing(config_of):
    from reference_impl.decoder.decoder import Decoder

    torch.manual_seed(0)
    model = Decoder(config_of(vocab_size=499))
    token_ids = torch.randint(499, (4, 33))
    loss = cross_entropy(model(token_ids[:, :-1]), token_ids[:, 1:]).item()
    assert loss == pytest.approx(math.log(499), abs=0.05)


@given(st.integers(1, 1000))
def test_perplexity_of_equal_choices_is_their_number(n_choices):
    assert perplexity(math.log(n_choices)) == pytest.approx(n_choices)


def test_bits_per_byte_does_not_depend_on_the_tokens():
    # One text, one total probability: 4 tokens of 4 nats or 8 tokens of 2 nats.
    text = "naïve café"
    n_bytes = len(text.encode())
    assert n_bytes == 12 and len(text) == 10
    few, many = bits_per_byte(4.0, 4, n_bytes), bits_per_byte(2.0, 8, n_bytes)
    assert few == many == pytest.approx(16 / math.log(2) / 12)


def test_a_model_that_guesses_bytes_needs_eight_bits_for_each():
    assert bits_per_byte(math.log(256), n_tokens=12, n_bytes=12) == pytest.approx(8)


@pytest.mark.parametrize(("n_tokens", "n_bytes"), [(0, 5), (5, 0)])
def test_no_text_has_no_bits_per_byte(n_tokens, n_bytes):
    with pytest.raises(ValueError, match="must be above 0"):
        bits_per_byte(1.0, n_tokens, n_bytes)


def test_a_perplexity_beyond_float64_is_infinite():
    assert perplexity(708.0) == pytest.approx(math.exp(708.0))
    assert perplexity(1e6) == perplexity(math.inf) == math.inf
    assert math.isnan(perplexity(math.nan))
