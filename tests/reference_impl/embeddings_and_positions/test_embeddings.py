"""Embedding tables: against one-hot products, autograd and torch's own cosine."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.embeddings_and_positions.embeddings import look_up, nearest, table_gradient
from reference_impl.embeddings_and_positions.order import shuffle_error
from reference_impl.embeddings_and_positions.positions import apply_rope, rotary_scores


def test_lookup_is_one_hot_times_the_table():
    table, token_ids = torch.randn(7, 5), torch.randint(7, (2, 3))
    product = F.one_hot(token_ids, 7).float() @ table
    torch.testing.assert_close(look_up(table, token_ids), product)


def test_the_gradient_is_autograd_s():
    table = torch.randn(7, 5, requires_grad=True)
    token_ids, upstream = torch.tensor([[3, 0, 3], [3, 6, 6]]), torch.randn(2, 3, 5)
    look_up(table, token_ids).backward(upstream)
    torch.testing.assert_close(table_gradient(token_ids, upstream, vocab=7), table.grad)


@given(seed=st.integers(0, 1000), n=st.integers(1, 10))
def test_neighbours_are_those_of_torch_s_cosine(seed, n):
    table = torch.randn(11, 4, generator=torch.Generator().manual_seed(seed))
    cosines = F.cosine_similarity(table, table[3], dim=-1)
    order = [i for i in cosines.argsort(descending=True).tolist() if i != 3][:n]
    ids, values = nearest(table, index=3, n=n)
    assert ids.tolist() == order
    torch.testing.assert_close(values, cosines[order])


def test_the_table_is_left_as_it_was():
    table = torch.randn(4, 3)
    before = table.clone()
    nearest(table, 0, 2)
    assert torch.equal(table, before)


def test_a_shuffle_is_noticed_by_what_knows_the_order_alone():
    x, order = torch.randn(9, 4), torch.tensor([4, 8, 0, 1, 7, 2, 6, 3, 5])
    assert shuffle_error(lambda x: x - x.mean(0), x, order) < 1e-6
    assert shuffle_error(lambda x: x - x[:1], x, order) > 0.1


def test_rotary_scores_are_products_of_complex_numbers():
    q, k = torch.randn(2, 3, 6, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
    at_q, at_k = torch.tensor([9, 0, 4]), torch.tensor([2, 7, 7, 1, 30])
    frequencies = 50.0 ** -(torch.arange(0, 6, 2).double() / 6)
    q_pairs, k_pairs = (torch.view_as_complex(x.unflatten(-1, (3, 2))) for x in (q, k))
    turn = torch.exp(1j * (at_q[:, None] - at_k)[..., None] * frequencies)  # q_seq kv_seq pairs
    expected = torch.einsum("bqp,bkp,qkp->bqk", q_pairs, k_pairs.conj(), turn).real
    scores = rotary_scores(q, k, at_q, at_k, rope_theta=50.0)
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-5)  # angles are float32


def test_rotary_scores_do_not_change_the_length_of_q():
    q = torch.randn(4, 6)
    own = torch.arange(4)
    scores = rotary_scores(q, q, own, own)
    torch.testing.assert_close(scores.diagonal(), (q * q).sum(-1))
    assert not torch.allclose(apply_rope(q, torch.ones(4, 3)), q)
