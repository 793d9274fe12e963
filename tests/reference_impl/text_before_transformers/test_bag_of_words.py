"""The bag of words: what it keeps, and that order is not among it."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.text_before_transformers.bag_of_words import (
    BagOfWords,
    average_embedding,
    token_counts,
)
from reference_impl.text_before_transformers.recurrent import GRU


@given(
    batch=st.integers(1, 4),
    seq=st.integers(1, 9),
    vocab_size=st.integers(1, 7),
    d_model=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_average_equals_torch_and_equals_counting(batch, seq, vocab_size, d_model, seed):
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(vocab_size, (batch, seq), generator=generator)
    table = torch.randn(vocab_size, d_model, generator=generator, dtype=torch.float64)
    average = average_embedding(token_ids, table)
    torch.testing.assert_close(average, F.embedding_bag(token_ids, table, mode="mean"))
    counts = token_counts(token_ids, vocab_size)
    for row, ids in zip(counts.tolist(), token_ids.tolist(), strict=True):
        assert row == [ids.count(token) for token in range(vocab_size)]
    torch.testing.assert_close(average, counts.double() @ table / seq)


def test_the_order_of_the_words_never_matters():
    torch.manual_seed(0)
    model = BagOfWords(vocab_size=11, d_model=5, d_ff=7, n_classes=3).double()
    token_ids = torch.randint(11, (4, 9))
    shuffled = token_ids[:, torch.randperm(9)]
    assert (shuffled != token_ids).any()
    torch.testing.assert_close(model(shuffled), model(token_ids), rtol=1e-12, atol=1e-12)
    changed = token_ids.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 11
    assert not torch.isclose(model(changed), model(token_ids)).all()


def who_bites():
    """Texts "a bites b", label 0 if a is the lower id: every text stands beside its reverse."""
    pairs = torch.combinations(torch.arange(6), 2)
    bites = torch.full((len(pairs), 1), 6)
    forward = torch.cat([pairs[:, :1], bites, pairs[:, 1:]], dim=1)
    labels = torch.zeros(len(pairs), dtype=torch.long)
    return torch.cat([forward, forward.flip(1)]), torch.cat([labels, labels + 1])


def trained_loss(logits_of, parameters, token_ids, labels):
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        loss = F.cross_entropy(logits_of(token_ids), labels)
        loss.backward()
        optimizer.step()
    return loss.item()


def test_only_the_recurrent_network_learns_who_bit_whom():
    torch.manual_seed(0)
    token_ids, labels = who_bites()
    bag = BagOfWords(vocab_size=7, d_model=8, d_ff=16, n_classes=2)
    embedding, gru, output = torch.nn.Embedding(7, 8), GRU(8, 8), torch.nn.Linear(8, 2)
    parameters = [*embedding.parameters(), *gru.parameters(), *output.parameters()]
    bag_loss = trained_loss(bag, bag.parameters(), token_ids, labels)
    gru_loss = trained_loss(
        lambda ids: output(gru(embedding(ids))[:, -1]), parameters, token_ids, labels
    )
    # Each text and its reverse get the same answer, so no bag can do better than a coin.
    assert bag_loss > torch.log(torch.tensor(2.0)).item() - 1e-6
    assert gru_loss < 0.05
