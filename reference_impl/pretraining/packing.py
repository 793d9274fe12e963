"""Packing: short documents side by side in rows of one length, and masks that keep them apart.

Documents are cut where a row ends; what follows the cut no longer sees what came before it.
Does not handle: choosing documents that fit together so that fewer are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reference_impl.decoder.attention import causal_mask, grouped_query_attention, merge_heads
from reference_impl.decoder.decoder import Decoder
from reference_impl.pretraining.data import mixed_seed
from reference_impl.pretraining.loss import IGNORE_ID

NO_DOCUMENT = -1  # the document id of padding


@dataclass(frozen=True)
class PackedRows:
    """What `pack` makes. Each tensor has the shape "rows seq".

    `targets` is the next token of the same document, else IGNORE_ID; `document_ids` counts
    documents from 0, and is NO_DOCUMENT at padding.
    """

    token_ids: Tensor
    targets: Tensor
    document_ids: Tensor


def pack(documents: Sequence[Sequence[int]], context_length: int, separator_id: int) -> PackedRows:
    """Join documents, each closed by `separator_id`, and cut them into rows of `context_length`.

    The separator belongs to the document that it closes: it is predicted from it, so that the
    model learns to stop, and nothing is predicted from the separator. A document's first token is
    no target; every other token is one, exactly once. The last row is filled with separators that
    are neither targets nor seen. Raises ValueError where there are no documents.
    Source: Brown et al. 2020, appendix B (which trains across the edges; here they are masked).

    >>> rows = pack([[5, 6, 7], [8]], context_length=4, separator_id=0)
    >>> rows.token_ids.tolist(), rows.targets.tolist()
    ([[5, 6, 7, 0], [8, 0, 0, 0]], [[6, 7, 0, -100], [0, -100, -100, -100]])
    >>> rows.document_ids.tolist()
    [[0, 0, 0, 0], [1, 1, -1, -1]]
    """
    if not documents:
        raise ValueError("there are no documents to pack: give at least one")
    stream = [token for document in documents for token in (*document, separator_id)]
    owners = [i for i, document in enumerate(documents) for _ in range(len(document) + 1)]
    padding = -len(stream) % context_length
    token_ids = torch.tensor(stream + [separator_id] * padding)
    document_ids = torch.tensor(owners + [NO_DOCUMENT] * padding)
    targets = torch.full_like(token_ids, IGNORE_ID)
    same = (document_ids[1:] == document_ids[:-1]) & (document_ids[:-1] != NO_DOCUMENT)
    targets[:-1] = token_ids[1:].masked_fill(~same, IGNORE_ID)
    return PackedRows(*(x.view(-1, context_length) for x in (token_ids, targets, document_ids)))


def shuffled_rows(
    n_rows: int, batch_size: int, seed: int, step: int
) -> Int[Tensor, " {batch_size}"]:
    """Which of `n_rows` rows make up batch number `step`.

    The rows are dealt out in rounds without end: every row comes once before any comes again, in
    an order that changes with each round, and a batch may end one round and begin the next.

    >>> batches = [shuffled_rows(3, batch_size=2, seed=0, step=step).tolist() for step in range(3)]
    >>> rows = sum(batches, [])  # 2 rounds of 3 rows in 3 batches of 2
    >>> sorted(rows[:3]), sorted(rows[3:])
    ([0, 1, 2], [0, 1, 2])
    """
    chosen = []
    for place in range(step * batch_size, (step + 1) * batch_size):
        turn, i = divmod(place, n_rows)
        if i == 0 or not chosen:
            generator = torch.Generator().manual_seed(mixed_seed(seed, turn))
            order = torch.randperm(n_rows, generator=generator)
        chosen.append(order[i])
    return torch.stack(chosen)


class PackedBatches:
    """Batch number `step` of training on packed rows: token ids, document ids, targets.

    The rows are those of `shuffled_rows`, a function of (seed, step) as in `RandomBatches`.
    Raises ValueError where there are fewer rows than a batch needs.
    """

    def __init__(self, rows: PackedRows, batch_size: int, seed: int) -> None:
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        if len(rows.token_ids) < batch_size:
            raise ValueError(
                f"{len(rows.token_ids)} packed rows do not fill one batch of {batch_size}: "
                "pack more text, or take smaller batches"
            )

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.rows
        chosen = shuffled_rows(len(rows.token_ids), self.batch_size, self.seed, step)
        return rows.token_ids[chosen], rows.document_ids[chosen], rows.targets[chosen]


def document_mask(
    document_ids: Int[Tensor, "batch seq"],
) -> Bool[Tensor, "batch 1 seq seq"]:
    """True where a query may attend: to its own document, at its own position and before it.

    Padding, whose document id is -1, may attend to nothing and is seen by nothing. The second axis
    has size 1 and broadcasts over heads. A document may go on in the next row, which sees none of
    this one.

    >>> document_mask(torch.tensor([[0, 0, 1, -1]]))[0, 0].int()
    tensor([[1, 0, 0, 0],
            [1, 1, 0, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    """
    query, key = document_ids[:, :, None], document_ids[:, None, :]
    same = (query == key) & (query != NO_DOCUMENT)  # batch seq seq
    mask = same & causal_mask(document_ids.shape[1]).to(same.device)
    return rearrange(mask, "batch q_seq kv_seq -> batch 1 q_seq kv_seq")


def document_positions(document_ids: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
    """Each token's position in its document: 0 again wherever another document begins.

    A model with a learned vector for each position needs them. One with rotary positions does
    not: q . k depends on differences of positions only, and these are the same within a document
    (Su et al. 2021, equation 16).

    >>> document_positions(torch.tensor([[0, 0, 1, 1, 1], [1, 2, 2, -1, -1]]))
    tensor([[0, 1, 0, 1, 2],
            [0, 0, 1, 0, 1]])
    """
    positions = torch.arange(document_ids.shape[1], device=document_ids.device)  # seq
    begins = torch.ones_like(document_ids, dtype=torch.bool)
    begins[:, 1:] = document_ids[:, 1:] != document_ids[:, :-1]
    starts = (positions * begins).cummax(dim=1).values  # batch seq
    return positions - starts


def packed_logits(
    model: Decoder, token_ids: Int[Tensor, "batch seq"], document_ids: Int[Tensor, "batch seq"]
) -> Float[Tensor, "batch seq vocab"]:
    """The decoder's logits with every document as if it were alone. At padding they mean nothing.

    The same steps as `Decoder.forward`, with `document_mask` in the place of the causal mask.
    """
    x = model.token_embedding(token_ids)  # batch seq d_model
    angles = model.angles(token_ids, start=0)
    mask = document_mask(document_ids)
    for block in model.blocks:
        q, k, v = block.attention.project(block.attention_norm(x), angles)
        attended = grouped_query_attention(q, k, v, mask)  # batch heads seq head_dim
        x = x + block.attention.o_proj(merge_heads(attended))
        x = x + block.feed_forward(block.feed_forward_norm(x))
    return model.lm_head(model.final_norm(x))


class PackedDecoder(nn.Module):
    """`packed_logits` as a module, to train a decoder on `PackedBatches`. It shares its weights."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, token_ids: Int[Tensor, "batch seq"], document_ids: Int[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq vocab"]:
        return packed_logits(self.decoder, token_ids, document_ids)
