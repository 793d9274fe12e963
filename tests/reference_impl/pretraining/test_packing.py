"""Packing: no token lost, none predicted twice, and no document sees another."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_impl.pretraining.loss import IGNORE_ID, cross_entropy, token_losses
from reference_impl.pretraining.packing import (
    NO_DOCUMENT,
    PackedBatches,
    PackedDecoder,
    document_mask,
    document_positions,
    pack,
    packed_logits,
    shuffled_rows,
)

SEPARATOR = 0
documents = st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=8)
lengths = st.integers(1, 10)


@given(documents, lengths)
def test_the_rows_are_the_documents_one_after_the_other(documents, context_length):
    rows = pack(documents, context_length, SEPARATOR)
    assert rows.token_ids.shape[1] == context_length
    assert rows.token_ids.shape == rows.targets.shape == rows.document_ids.shape
    stream = [token for document in documents for token in [*document, SEPARATOR]]
    real = rows.document_ids.flatten() != NO_DOCUMENT
    assert rows.token_ids.flatten()[real].tolist() == stream
    assert not real[len(stream) :].any() and (~real).sum() < context_length  # all padding last


@given(documents, lengths)
def test_every_token_but_the_first_of_its_document_is_a_target_once(documents, context_length):
    rows = pack(documents, context_length, SEPARATOR)
    seen = Counter()
    for document, target in zip(
        rows.document_ids.flatten().tolist(), rows.targets.flatten().tolist(), strict=True
    ):
        if target != IGNORE_ID:
            seen[document, target] += 1
    expected = Counter()
    for i, document in enumerate(documents):
        expected.update((i, token) for token in [*document, SEPARATOR][1:])
    assert seen == expected


@given(documents, lengths)
def test_a_target_is_the_next_token_of_the_stream(documents, context_length):
    rows = pack(documents, context_length, SEPARATOR)
    token_ids, targets = rows.token_ids.flatten(), rows.targets.flatten()
    wanted = targets[:-1] != IGNORE_ID
    assert torch.equal(targets[:-1][wanted], token_ids[1:][wanted])
    assert targets[-1] == IGNORE_ID


def test_no_documents_are_refused():
    with pytest.raises(ValueError, match="no documents to pack"):
        pack([], 4, SEPARATOR)


ids = st.lists(st.integers(-1, 3), min_size=1, max_size=9)


@given(ids)
def test_the_mask_pair_by_pair(document_ids):
    mask = document_mask(torch.tensor([document_ids]))[0, 0]
    for i, query in enumerate(document_ids):
        for j, key in enumerate(document_ids):
            assert mask[i, j] == (j <= i and query == key != NO_DOCUMENT)


@given(ids)
def test_positions_start_again_with_each_document(document_ids):
    positions = document_positions(torch.tensor([document_ids]))[0].tolist()
    for i, position in enumerate(positions):
        begins = i == 0 or document_ids[i] != document_ids[i - 1]
        assert position == (0 if begins else positions[i - 1] + 1)


def pieces(row):
    """Start and end of each document's piece in a row of document ids."""
    edges = [0, *(torch.nonzero(row.diff()).flatten() + 1).tolist(), len(row)]
    return [(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True) if row[a] != NO_DOCUMENT]


@settings(max_examples=15, deadline=None)
@given(documents=documents, context_length=lengths, seed=st.integers(0, 9))
def test_packed_documents_are_as_if_run_alone(documents, context_length, seed):
    rows = pack(documents, context_length, SEPARATOR)
    model = MODELS[seed % len(MODELS)]
    together = packed_logits(model, rows.token_ids, rows.document_ids)
    for row, (token_ids, document_ids) in enumerate(
        zip(rows.token_ids, rows.document_ids, strict=True)
    ):
        for start, end in pieces(document_ids):
            alone = model(token_ids[None, start:end])[0]
            torch.testing.assert_close(together[row, start:end], alone, rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True, scope="module")
def models():
    """Two tiny decoders with large weights, shared, since hypothesis keeps no fixtures apart."""
    from reference_impl.decoder.config import ModelConfig
    from reference_impl.decoder.decoder import Decoder

    for n_kv_heads in (1, 2):
        torch.manual_seed(n_kv_heads)
        config = ModelConfig(10, 16, 12, 2, n_heads=2, n_kv_heads=n_kv_heads, head_dim=6, d_ff=14)
        model = Decoder(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        MODELS.append(model.requires_grad_(False))
    yield
    MODELS.clear()


MODELS = []


def test_another_document_leaves_no_trace_at_all():
    document_ids = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2]])
    token_ids = torch.tensor([[1, 2, 0, 3, 0, 4, 5, 0]])
    other = token_ids.clone()
    other[0, 3] = 9  # in document 1
    before, after = (packed_logits(MODELS[0], x, document_ids)[0] for x in (token_ids, other))
    same = (before == after).all(dim=-1).tolist()
    assert same == [True, True, True, False, False, True, True, True]


def test_the_loss_of_packed_rows_is_that_of_the_documents():
    documents = [[1, 2, 3, 4], [5], [6, 7, 8]]
    rows = pack(documents, 12, SEPARATOR)
    model = PackedDecoder(MODELS[1])
    packed = cross_entropy(model(rows.token_ids, rows.document_ids), rows.targets)
    alone = []
    for document in documents:
        token_ids = torch.tensor([[*document, SEPARATOR]])
        alone.append(token_losses(MODELS[1](token_ids[:, :-1]), token_ids[:, 1:]).flatten())
    torch.testing.assert_close(packed, torch.cat(alone).mean(), rtol=1e-4, atol=1e-4)
    leaking = cross_entropy(MODELS[1](rows.token_ids), rows.targets)
    assert abs(packed - leaking) > 0.01  # the mask matters on these documents


def test_every_packed_row_comes_once_a_round_in_a_new_order():
    rows = pack([[i] * 3 for i in range(1, 13)], 4, SEPARATOR)  # a document a row
    batches = PackedBatches(rows, batch_size=3, seed=0)
    rounds = []
    for start in (0, 4, 8):
        drawn = [batches[step] for step in range(start, start + 4)]
        rounds.append(torch.cat([document_ids[:, 0] for _, document_ids, _ in drawn]).tolist())
        for token_ids, document_ids, targets in drawn:
            for token_row, i, target_row in zip(
                token_ids, document_ids[:, 0], targets, strict=True
            ):
                assert torch.equal(token_row, rows.token_ids[i])
                assert torch.equal(target_row, rows.targets[i])
    assert [sorted(order) for order in rounds] == [list(range(12))] * 3
    assert rounds[0] != rounds[1] != rounds[2]
    again = PackedBatches(rows, batch_size=3, seed=0)[5]
    assert all(map(torch.equal, batches[5], again))


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_batches_deal_out_rounds_of_all_rows_without_end(n_rows, batch_size, seed):
    drawn = [shuffled_rows(n_rows, batch_size, seed, step).tolist() for step in range(3 * n_rows)]
    assert {len(batch) for batch in drawn} == {batch_size}
    rows = sum(drawn, [])
    rounds = [tuple(rows[start : start + n_rows]) for start in range(0, len(rows), n_rows)]
    assert all(sorted(order) == list(range(n_rows)) for order in rounds)
    if n_rows > 4:  # so many rounds in one and the same order are no chance
        assert len(set(rounds)) > 1


def test_fewer_rows_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="1 packed rows do not fill one batch of 2"):
        PackedBatches(pack([[1]], 4, SEPARATOR), 2, seed=0)
