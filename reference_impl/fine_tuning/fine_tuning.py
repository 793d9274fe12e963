"""Supervised fine-tuning: dialogues as tokens, with a loss on the assistant's words only.

The loop is `train` as in pretraining; only the batches differ:

    model, tokenizer = load_smollm2()
    examples, too_long = encode_dialogues(tokenizer, Dolly(path), context_length=512)
    add_lora(model, rank=8, alpha=16)
    batches = PackedBatches(pack_examples(examples, 512), batch_size=4, seed=0)
    optimizer = AdamW(decay_groups(model, weight_decay=0.0))
    for step in train(PackedDecoder(model), optimizer, batches, n_steps, schedule):
        ...

`PaddedBatches` are simpler than packed ones and need no mask, but compute for nothing at padding.
Does not handle: preferences (a chosen and a rejected reply), tools, images.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from reference_impl.fine_tuning.chat import (
    Message,
    check_message,
    encode_turn,
    end_of_turn,
    start_of_reply,
    with_system_message,
)
from reference_impl.fine_tuning.sft_sources.source import Dialogue, Problem
from reference_impl.pretraining.data import Batch, shift
from reference_impl.pretraining.loss import IGNORE_ID
from reference_impl.pretraining.packing import NO_DOCUMENT, PackedRows, shuffled_rows
from reference_impl.tokenization.tokenization import Tokenizer


class TooLong(ValueError):
    """Even the last question and its answer do not fit."""


@dataclass(frozen=True)
class SFTExample:
    """A dialogue in tokens. `learned` is True at the tokens that the model shall learn to say.

    `n_dropped` messages at its beginning were left out because they did not fit.
    """

    token_ids: Int[Tensor, " seq"]
    learned: Bool[Tensor, " seq"]
    n_dropped: int = 0

    def inputs_and_targets(self) -> tuple[Int[Tensor, " inputs"], Int[Tensor, " inputs"]]:
        """What the model reads, and the next token of each position where that one is learned.

        >>> example = SFTExample(torch.tensor([7, 8, 9]), torch.tensor([False, False, True]))
        >>> example.inputs_and_targets()  # 9 is to be said after 8, and nothing after 7
        (tensor([7, 8]), tensor([-100,    9]))
        """
        inputs, targets = shift(self.token_ids)
        return inputs, targets.masked_fill(~self.learned[1:], IGNORE_ID)


def encode_example(
    tokenizer: Tokenizer, messages: Sequence[Message], context_length: int
) -> SFTExample:
    """The tokens of a dialogue in the chat template, every reply and its end mark to be learned.

    Not learned are the questions, the role names, and the line break after an end mark: generation
    stops at the mark. Where the dialogue is longer than the context, its oldest exchanges are left
    out, whole; the system message stays. Raises TooLong where the last exchange alone does not
    fit: an answer is never cut, since a cut one teaches the model to break off. Raises ValueError
    where the last message is not the assistant's.
    Source: Touvron et al. 2023b, section 3.1, for the loss on the answers only.
    """
    messages = with_system_message(messages)
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("the last message must be the assistant's: that is what is learned")
    turns = [_encode_message(tokenizer, message) for message in messages]
    questions = [i for i, message in enumerate(messages) if message["role"] == "user"]
    for start in questions or [1]:
        kept = [turns[0], *turns[start:]]
        token_ids = [token for ids, _ in kept for token in ids]
        if len(token_ids) - 1 <= context_length:  # the last token is not read
            learned = [flag for _, flags in kept for flag in flags]
            return SFTExample(torch.tensor(token_ids), torch.tensor(learned), start - 1)
    raise TooLong(
        f"the last question and answer need {len(token_ids) - 1} tokens, but context_length is "
        f"{context_length}: raise it, shorten the question, or leave the dialogue out"
    )


def _encode_message(tokenizer: Tokenizer, message: Message) -> tuple[list[int], list[bool]]:
    if message["role"] != "assistant":
        token_ids = encode_turn(tokenizer, message["role"], message["content"])
        return token_ids, [False] * len(token_ids)
    # The reply is encoded by itself: so it follows the very tokens that a model is given to
    # answer, even where it begins with spaces that would merge with the header's line break.
    check_message(message["role"], message["content"])
    header = start_of_reply(tokenizer)
    reply = tokenizer.encode(message["content"], allowed_special="none")
    mark, *rest = end_of_turn(tokenizer)
    learned = [False] * len(header) + [True] * (len(reply) + 1) + [False] * len(rest)
    return [*header, *reply, mark, *rest], learned


def encode_dialogues(
    tokenizer: Tokenizer, dialogues: Iterable[Dialogue], context_length: int
) -> tuple[list[SFTExample], list[Problem]]:
    """`encode_example` of each dialogue, and a list of those that are too long to be one.

    Those that were shortened are among the examples, with `n_dropped` above 0.
    """
    examples, too_long = [], []
    for dialogue in dialogues:
        try:
            examples.append(encode_example(tokenizer, dialogue.messages, context_length))
        except TooLong as error:
            too_long.append(Problem(dialogue.path, dialogue.line, str(error)))
    return examples, too_long


class PaddedBatches:
    """Batch number `step`: a row for each example, filled on the right to the longest of them.

    The causal mask keeps real tokens from looking at what stands to their right, and padding is no
    target, so the model needs no other mask. Any token will do to fill: `pad_id` is never learned,
    not even where real tokens have the same id. Every example comes once before any comes again.
    """

    def __init__(
        self, examples: Sequence[SFTExample], batch_size: int, seed: int, pad_id: int = 0
    ) -> None:
        if not examples:
            raise ValueError("there are no examples to train on: give at least one")
        self.examples, self.batch_size = examples, batch_size
        self.seed, self.pad_id = seed, pad_id

    def __getitem__(self, step: int) -> Batch:
        chosen = shuffled_rows(len(self.examples), self.batch_size, self.seed, step)
        pairs = [self.examples[i].inputs_and_targets() for i in chosen.tolist()]
        width = max(len(inputs) for inputs, _ in pairs)
        token_ids = torch.full((len(pairs), width), self.pad_id)
        targets = torch.full((len(pairs), width), IGNORE_ID)
        for row, (inputs, wanted) in enumerate(pairs):
            token_ids[row, : len(inputs)], targets[row, : len(inputs)] = inputs, wanted
        return token_ids, targets


def pack_examples(
    examples: Sequence[SFTExample], context_length: int, pad_id: int = 0
) -> PackedRows:
    """Several examples side by side in each row, whole, for `PackedBatches` and `PackedDecoder`.

    The longest are placed first, each into the fullest row that still has room for it (best fit
    decreasing). Unlike in `packing.pack` nothing is cut: an answer without its question would
    teach guessing. Raises ValueError where there are no examples, or one is too long for a row.
    Krell et al. 2021, section 3.1, compare such ways to pack, for pretraining.

    >>> examples = [SFTExample(torch.arange(n), torch.arange(n) > 1) for n in (3, 5, 4)]
    >>> rows = pack_examples(examples, context_length=5)
    >>> rows.document_ids.tolist()
    [[1, 1, 1, 1, -1], [2, 2, 2, 0, 0]]
    >>> rows.targets[1].tolist()
    [-100, 2, 3, -100, 2]
    """
    if not examples:
        raise ValueError("there are no examples to pack: give at least one")
    rows = _best_fit([len(example.token_ids) - 1 for example in examples], context_length)
    shape = len(rows), context_length
    token_ids, targets = torch.full(shape, pad_id), torch.full(shape, IGNORE_ID)
    document_ids = torch.full(shape, NO_DOCUMENT)
    for row, members in enumerate(rows):
        start = 0
        for i in members:
            inputs, wanted = examples[i].inputs_and_targets()
            place = slice(start, start := start + len(inputs))
            token_ids[row, place], targets[row, place] = inputs, wanted
            document_ids[row, place] = i
    return PackedRows(token_ids, targets, document_ids)


def _best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Which examples share a row."""
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room left, row), sorted
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if lengths[i] > capacity:
            raise ValueError(
                f"example {i} has {lengths[i]} tokens, but a row holds {capacity}: encode with the "
                "context_length that you pack with"
            )
        place = bisect_left(free, (lengths[i], 0))
        room, row = free.pop(place) if place < len(free) else (capacity, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(i)
        insort(free, (room - lengths[i], row))
    return rows
