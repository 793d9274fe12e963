"""decoder/decoder_logits: look up, blocks, final norm, tied output."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder import drive
from grading.units.decoder.draw import norm_weight, normal

LINK = "decoder-logits"
AXES = "batch seq vocab"
PLAIN, UNUSED = "3 blocks", "the same, the row of an unused token twice as large"


def cases(rng: np.random.Generator) -> list[Case]:
    """Several blocks, one, none; one token; other norms; a row that is written alone."""
    table, norm, ids = normal(rng, 11, 7), norm_weight(rng, 7), rng.integers(10, size=(2, 5))
    blocks = [normal(rng, 7, 7, scale=0.7) for _ in range(3)]
    larger = table.copy()
    larger[10] *= 2  # no text has token 10
    ones = np.ones(7, dtype=np.float32)
    return [
        _case(PLAIN, ids, table, blocks, norm, name="plain"),
        _case(UNUSED, ids, larger, blocks, norm, name="unused"),
        _case("the same blocks in another order", ids, table, blocks[::-1], norm),
        _case("a final norm of ones", ids, table, blocks, ones),
        _case("a single block", ids, table, blocks[:1], norm),
        _case("no block at all", ids, table, [], norm),
        _case("a text of one token", ids[:1, :1], table, blocks, norm),
        _case("a large table", ids, 30 * table, blocks, norm),
        _case("a tiny table and a large eps", ids, table / 100, blocks, norm, eps=0.1),
        _case("a tiny table, eps left out", ids, table / 300, blocks, norm, eps=None),
        _case("as many tokens as features", ids, normal(rng, 7, 7), blocks, norm, vocab=7),
        _case("all tokens alike", 0 * ids + 3, table, blocks, norm),
    ]


def _case(says, ids, table, blocks, norm, eps=1e-5, vocab=11, name="") -> Case:
    inputs = {"token_ids": ids % vocab, "token_embedding": table, "blocks": blocks}
    inputs |= {"final_norm": norm} | ({} if eps is None else {"norm_eps": eps})
    return Case(says, inputs, axes=AXES, name=name)


# --- right in other ways ---------------------------------------------------------------------


def with_linear(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    """torch's embedding, norm and linear; the stream kept in a list."""
    states = [F.embedding(token_ids, token_embedding)]
    for block in blocks:
        states.append(block(states[-1]))
    normed = F.rms_norm(states[-1], final_norm.shape, final_norm, norm_eps)
    return F.linear(normed, token_embedding)


def one_hot_and_einsum(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    """Lookup as a product, the norm's weight moved into the table."""
    x = F.one_hot(token_ids, len(token_embedding)).to(token_embedding.dtype) @ token_embedding
    for i in range(len(blocks)):
        x = blocks[i](x)
    size = (torch.einsum("bsd,bsd->bs", x, x) / x.shape[-1] + norm_eps).sqrt()
    scores = torch.einsum("bsd,vd->bsv", x, token_embedding * final_norm)
    return scores / size[..., None]


def text_by_text(token_ids, token_embedding, blocks, final_norm, norm_eps=1e-5):
    """Each text runs alone."""
    logits = []
    for ids in token_ids.tolist():
        x = torch.stack([token_embedding[i] for i in ids])[None]
        for block in blocks:
            x = block(x)
        x = x.double()
        x = x / torch.sqrt((x**2).mean(-1, keepdim=True) + norm_eps) * final_norm
        logits.append((x @ token_embedding.double().T).float())
    return torch.cat(logits)


# --- wrong in known ways -----------------------------------------------------------------------

LOOP = "for block in blocks:\n        x = block(x)"
NORMED = "rms_norm(x, final_norm, norm_eps)"
OUT = f"{NORMED} @ token_embedding.T"

MISCONCEPTIONS = (
    Misconception(
        "final-norm-missing",
        "The stream goes to the table as it is. After the last block it passes one more RMSNorm, "
        "`final_norm`; without it logits grow with the stream.",
        LINK,
        {OUT: "x @ token_embedding.T"},
    ),
    Misconception(
        "final-norm-in-every-block",
        "`final_norm` is applied after every block. It comes once, at the end; the stream between "
        "blocks is never normalised.",
        "decoder-pre-norm",
        {LOOP: "for block in blocks:\n        x = rms_norm(block(x), final_norm, norm_eps)"},
    ),
    Misconception(
        "norm-in-the-loop-alone",
        "`final_norm` stands in the loop: it is applied after every block, and not at all where "
        "there are no blocks. It comes once, behind the loop.",
        "decoder-pre-norm",
        {
            LOOP: "for block in blocks:\n        x = rms_norm(block(x), final_norm, norm_eps)",
            OUT: "x @ token_embedding.T",
        },
    ),
    Misconception(
        "norm-before-the-blocks",
        "`final_norm` is applied before the first block as well. It comes once, after the last.",
        "decoder-pre-norm",
        {LOOP: f"x = rms_norm(x, final_norm, norm_eps)\n    {LOOP}"},
    ),
    Misconception(
        "blocks-read-the-normed",
        "`final_norm` is applied before every block. It comes once, after the last; a block has "
        "norms of its own inside.",
        "decoder-pre-norm",
        {LOOP: f"for block in blocks:\n        x = block({NORMED})"},
    ),
    Misconception(
        "blocks-run-twice",
        "Every block runs twice. Each runs once, in order.",
        "decoder-stream",
        {"x = block(x)": "x = block(block(x))"},
    ),
    Misconception(
        "ends-after-the-first-block",
        "The decoder ends after its first block: does the `return` stand inside the loop?",
        "decoder-stream",
        {"in blocks": "in blocks[:1]"},
    ),
    Misconception(
        "norm-weight-ignored",
        "The final norm has no weight here: every feature is scaled by its number in `final_norm`.",
        "decoder-rms-norm",
        {NORMED: "rms_norm(x, torch.ones_like(final_norm), norm_eps)"},
    ),
    Misconception(
        "eps-not-passed-on",
        "norm_eps stops here: the final norm uses its own default. Models differ in it.",
        "decoder-rms-norm",
        {NORMED: "rms_norm(x, final_norm)"},
    ),
    Misconception(
        "softmax-applied",
        "These are probabilities. Logits are wanted: the softmax comes later, in the loss or in "
        "the choice of a token, and applied twice it flattens everything.",
        LINK,
        {OUT: f"({OUT}).softmax(dim=-1)"},
    ),
    Misconception(
        "log-softmax-applied",
        "These are logarithms of probabilities. Logits are wanted, as the table's product gives "
        "them.",
        LINK,
        {OUT: f"({OUT}).log_softmax(dim=-1)"},
    ),
    Misconception(
        "last-position-only",
        "There are logits for the last position alone. Every position predicts its next token: "
        "training needs them all.",
        LINK,
        {OUT: f"({OUT})[:, -1]"},
    ),
    Misconception(
        "stream-returned",
        "This is the stream after the final norm, d_model wide. The table turns it into one number "
        "for each token of the vocabulary.",
        LINK,
        {OUT: NORMED},
    ),
    Misconception(
        "every-block-reads-the-embedding",
        "Every block is given the embeddings, so that only the last one counts. Each reads the "
        "stream that the block before it handed on.",
        "decoder-stream",
        {LOOP: "embedded = x\n    for block in blocks:\n        x = block(embedded)"},
    ),
    Misconception(
        "result-under-another-name",
        "What a block returns gets a name of its own, and the next block is given x again, the "
        "embedding. Each result has to be what the next block reads.",
        "decoder-stream",
        {
            LOOP: "for block in blocks:\n        y = block(x)",
            NORMED: "rms_norm(y, final_norm, norm_eps)",
        },
    ),
    Misconception(
        "results-thrown-away",
        "The blocks have no effect: after the loop the stream is still the embedding. A block does "
        "not change what it is given; it returns the next stream.",
        "decoder-stream",
        {LOOP: "for block in blocks:\n        block(x)"},
    ),
    Misconception(
        "ids-returned",
        "These are the ids of the likeliest tokens. Logits are wanted, one for every token; who "
        "uses them makes the choice.",
        LINK,
        {OUT: f"({OUT}).argmax(dim=-1)"},
    ),
    Misconception(
        "table-not-transposed",
        "At the end the table is used the wrong way round. It has a row for each token, and a "
        "logit is the dot product with a row: multiply by the transpose.",
        LINK,
        {OUT: f"{NORMED} @ token_embedding"},
    ),
    Misconception(
        "added-once-more",
        "What a block returns is added to the stream. A block does that itself; here it is counted "
        "twice.",
        "decoder-stream",
        {"x = block(x)": "x = x + block(x)"},
    ),
    Misconception(
        "first-block-for-all",
        "One block is run again and again in the place of all the others. Each layer has weights "
        "of its own.",
        "decoder-block",
        {LOOP: "for _ in blocks:\n        x = blocks[0](x)"},
    ),
    Misconception(
        "last-block-left-out",
        "The last block is left out: a slice or a range ends one too early.",
        "decoder-block",
        {"in blocks": "in blocks[:-1]"},
    ),
    Misconception(
        "first-block-left-out",
        "The first block is left out. Layers count from 0.",
        "decoder-block",
        {"in blocks": "in blocks[1:]"},
    ),
    Misconception(
        "blocks-backwards",
        "The blocks run from the last to the first.",
        "decoder-block",
        {"in blocks": "in reversed(blocks)"},
    ),
    Misconception(
        "embedding-scaled",
        "The embeddings are multiplied by the root of d_model. The transformer of 2017 did that "
        "(and Gemma does); here the row is taken as it is.",
        "decoder-2017",
        {"token_embedding[token_ids]": "token_embedding[token_ids] * final_norm.numel() ** 0.5"},
    ),
    Misconception(
        "logits-scaled",
        "The logits are divided by the root of d_model. Attention scales its scores; the output "
        "layer does not.",
        LINK,
        {OUT: f"{OUT} / x.shape[-1] ** 0.5"},
    ),
    Misconception(
        "table-of-cosines",
        "The rows of the table are brought to length 1 for the output. The very table that is "
        "looked up is the output layer: a row's length counts.",
        "decoder-tied",
        {OUT: f"{NORMED} @ F.normalize(token_embedding, dim=-1).T"},
    ),
    Misconception(
        "norm-weight-after-the-table",
        "The logits pass a norm. It is the stream that does, before the table.",
        LINK,
        {OUT: "rms_norm(x @ token_embedding.T, torch.ones(len(token_embedding)), norm_eps)"},
    ),
    Misconception(
        "layer-norm-at-the-end",
        "The final norm takes the mean off: LayerNorm. Here it is RMSNorm, like the others.",
        "decoder-rms-norm",
        {NORMED: "rms_norm(x - x.mean(dim=-1, keepdim=True), final_norm, norm_eps)"},
    ),
    Misconception(
        "axes-exchanged",
        "The numbers are right; the axes are batch vocab seq. The vocabulary is the last axis.",
        LINK,
        {OUT: f"({OUT}).transpose(1, 2)"},
    ),
)


def _unused_row_alone(before, after) -> bool:
    """Token 10 stands nowhere in the text: its logits double, all others stay."""
    same = np.allclose(before[..., :-1], after[..., :-1], rtol=1e-3, atol=1e-4)
    return bool(same and np.allclose(2 * before[..., -1], after[..., -1], rtol=1e-3, atol=1e-4))


EXERCISE = Exercise(
    id="decoder/decoder_logits",
    callable="decoder_logits",
    title="The whole decoder",
    parts={"all": 3},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.logits,
    rtol=5e-4,
    atol=1e-4,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_linear, one_hot_and_einsum, text_by_text),
    depends=("decoder/rms_norm",),
    properties=(
        Property(
            "table-not-tied",
            "The row of a token that stands nowhere in the text was made twice as large. Its "
            "logits should double and all others stay; yours do not.",
            "decoder-tied",
            ("plain", "unused"),
            _unused_row_alone,
        ),
    ),
)
