"""pretraining/next_token_loss: the mean over the tokens that count."""

import numpy as np
import torch

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.pretraining import drive
from grading.units.pretraining.draw import IGNORE, normal

LINK = "pretraining-loss"
START = "pretraining-first-loss"
USUAL, EDGE = "the mean", "ignored targets"


def cases(rng: np.random.Generator) -> list[Case]:
    """All real, some ignored, rows of unequal length, none real; axes; large and equal logits."""
    vocab = 7
    logits, targets = normal(rng, 3, 5, vocab, scale=2), rng.integers(vocab, size=(3, 5))
    ragged = targets.copy()
    ragged[1, 1:] = IGNORE
    ragged[2, 3:] = IGNORE
    elsewhere = logits.copy()
    elsewhere[ragged == IGNORE] = 50 * normal(rng, vocab)
    zero = targets.copy()
    zero[0, 1], zero[1] = 0, 3
    huge = normal(rng, 2, 3, vocab, scale=300)
    return [
        _case("3 rows of 5 targets", logits, targets),
        _case("one target", logits[:1, :1], targets[:1, :1]),
        _case("targets without a batch", logits[0], targets[0]),
        _case("a single position without axes", logits[0, 0], targets[0, 0]),
        _case("as many rows as tokens", normal(rng, vocab, vocab), rng.integers(vocab, size=vocab)),
        _case("axes in front", normal(rng, 2, 3, 2, vocab), rng.integers(vocab, size=(2, 3, 2))),
        _case(
            "logits that are all equal",
            np.full((2, 3, 13), 4.0, np.float32),
            targets[:2, :3],
            name="equal",
        ),
        _case("logits around 1,000", logits[:2, :3] + np.float32(1000), targets[:2, :3]),
        _case("very large logits", huge, targets[:2, :3]),
        _case("rows with 5, 1 and 3 real targets", logits, ragged, EDGE, name="ragged"),
        _case("other logits at ignored places", elsewhere, ragged, EDGE, name="elsewhere"),
        _case(
            "one real target of many",
            logits,
            np.where(np.arange(15).reshape(3, 5) == 7, targets, IGNORE),
            EDGE,
        ),
        _case("no real target at all", logits, np.full((3, 5), IGNORE), EDGE),
        _case(
            "an infinite logit where the target is ignored", _infinite(logits, ragged), ragged, EDGE
        ),
        _case("0 as the id to ignore", logits, zero, EDGE, ignore_id=0),
        _case("the id of a token to ignore", logits, zero, EDGE, ignore_id=3),
    ]


def _infinite(logits, targets) -> np.ndarray:
    """The first logit of every ignored place is minus infinity."""
    changed = logits.copy()
    changed[targets == IGNORE, 0] = -np.inf
    return changed


def _case(says, logits, targets, part=USUAL, ignore_id=None, name="") -> Case:
    inputs = {"logits": logits, "targets": np.asarray(targets)}
    if ignore_id is not None:
        inputs["ignore_id"] = ignore_id
    return Case(says, inputs, part, name=name)


# --- right in other ways ---------------------------------------------------------------------


def only_the_real_ones(logits, targets, ignore_id=-100):
    """Real positions are chosen first; the logarithm of the sum by logsumexp."""
    is_real = targets != ignore_id
    logits, targets = logits[is_real], targets[is_real]
    if len(targets) == 0:
        return torch.tensor(0.0)
    losses = logits.logsumexp(dim=1) - logits[torch.arange(len(targets)), targets]
    return losses.mean()


def token_by_token(logits, targets, ignore_id=-100):
    """A loop over positions, with the maximum taken out by hand."""
    rows, wanted = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1).tolist()
    total, n_real = torch.tensor(0.0), 0
    for row, target in zip(rows, wanted, strict=True):
        if target == ignore_id:
            continue
        row = row - row.max()
        total = total + row.exp().sum().log() - row[target]
        n_real += 1
    return total / max(n_real, 1)


def with_one_hot(logits, targets, ignore_id=-100):
    """The targets as rows with a single 1; ignored ones are rows of 0."""
    ids = torch.arange(logits.shape[-1])
    chosen = (targets[..., None] == ids) & (targets != ignore_id)[..., None]
    log_p = logits - torch.logsumexp(logits, -1, keepdim=True)
    losses = -torch.where(chosen, log_p, torch.zeros(())).sum()
    return losses / chosen.sum() if chosen.any() else torch.zeros(())


# --- wrong in known ways -----------------------------------------------------------------------

REAL = "is_real = targets != ignore_id"
LOG_P = "log_p = logits.log_softmax(dim=-1)  # ... vocab"
LOSSES = "losses = -log_p.masked_fill(~is_real, 0.0)"
RESULT = "return losses.sum() / is_real.sum().clamp(min=1)"
GATHER = "log_p = log_p.gather(-1, index[..., None]).squeeze(-1)"

MISCONCEPTIONS = (
    Misconception(
        "sum-instead-of-mean",
        "The losses are added up and not divided by the number of real targets: a larger batch "
        "would have larger gradients.",
        LINK,
        {RESULT: "return losses.sum()"},
    ),
    Misconception(
        "padding-counted",
        "Ignored targets cost nothing, but they are counted in the mean: it is divided by the "
        "number of all positions. Padding then makes a loss look better.",
        LINK,
        {RESULT: "return losses.mean()"},
    ),
    Misconception(
        "mean-of-row-means",
        "Each row has a mean of its own, and these are averaged: a token of a short row then "
        "weighs more than one of a long row. Add all up first, divide once.",
        LINK,
        {
            RESULT: "rows, real = losses.reshape(-1, losses.shape[-1]) if losses.dim() else "
            "losses.reshape(1, 1), is_real.reshape(-1, is_real.shape[-1]) if losses.dim() else "
            "is_real.reshape(1, 1)\n"
            "    return (rows.sum(-1) / real.sum(-1).clamp(min=1)).mean()"
        },
    ),
    Misconception(
        "rows-with-padding-left-out",
        "A row that holds any ignored target does not count at all. Its real targets count like "
        "those of other rows.",
        LINK,
        {
            REAL: REAL + "\n"
            "    if targets.dim():\n"
            "        is_real = is_real & is_real.all(dim=-1, keepdim=True)"
        },
    ),
    Misconception(
        "padding-costs",
        "Positions whose target is ignored add to the loss, as if some token stood there. They "
        "should cost nothing.",
        LINK,
        {LOSSES: "losses = -log_p"},
    ),
    Misconception(
        "padding-trained-too",
        "Ignored targets are treated as real ones throughout, both in the sum and in the number of "
        "tokens.",
        LINK,
        {LOSSES: "losses = -log_p", RESULT: "return losses.mean()"},
    ),
    Misconception(
        "ignored-id-as-an-index",
        "An ignored target, -100, is looked up like a token, and there is none of that number. Put "
        "any id in its place first: what it costs is set to 0 afterwards.",
        LINK,
        {GATHER: GATHER.replace("index", "targets")},
    ),
    Misconception(
        "nothing-real-is-not-a-number",
        "Without a real target this divides 0 by 0. Such a batch has the loss 0, else a single one "
        "turns all weights into NaN.",
        LINK,
        {RESULT: "return losses.sum() / is_real.sum()"},
    ),
    Misconception(
        "ignore-id-fixed",
        "-100 is ignored whatever `ignore_id` says.",
        LINK,
        {REAL: "is_real = (targets != -100) & (targets >= 0)"},
    ),
    Misconception(
        "any-negative-and-the-id",
        "A target of 0 is left out. It is a token like any other: only `ignore_id` is none.",
        LINK,
        {REAL: "is_real = (targets != ignore_id) & (targets > 0)"},
    ),
    Misconception(
        "positive-ids-only",
        "Only targets above 0 count. Token 0 is one like any other, and `ignore_id` says which "
        "target is none.",
        LINK,
        {REAL: "is_real = targets > 0"},
    ),
    Misconception(
        "ignored-times-zero",
        "The losses are multiplied by 0 where the target is ignored. An infinite one times 0 is no "
        "number: replace it, as `masked_fill` does.",
        LINK,
        {LOSSES: "losses = -log_p * is_real"},
    ),
    Misconception(
        "softmax-taken-twice",
        "A softmax was taken before the log-softmax: probabilities were taken for logits. The loss "
        "then never comes near 0, however sure the model is.",
        LINK,
        {LOG_P: "log_p = logits.softmax(dim=-1).log_softmax(dim=-1)"},
    ),
    Misconception(
        "logarithm-forgotten",
        "This is minus the probability of the targets. The cost is minus its logarithm.",
        LINK,
        {LOG_P: "log_p = logits.softmax(dim=-1)"},
    ),
    Misconception(
        "no-softmax-at-all",
        "The logits of the targets are averaged as they are. Only their distance from all other "
        "logits says something: log-softmax first.",
        LINK,
        {LOG_P: "log_p = logits"},
    ),
    Misconception(
        "logarithm-of-a-rounded-softmax",
        "Where a probability is rounded to 0, its logarithm is infinite. Take log-softmax in one "
        "step: it subtracts, and never makes the small number.",
        LINK,
        {LOG_P: "log_p = logits.softmax(dim=-1).log()"},
    ),
    Misconception(
        "exponentials-overflow",
        "Exponentials of large logits overflow. Subtract the largest logit first, or let "
        "log-softmax do it.",
        LINK,
        {LOG_P: "log_p = logits - logits.exp().sum(dim=-1, keepdim=True).log()"},
    ),
    Misconception(
        "softmax-over-positions",
        "The softmax runs along the positions. The shares of all tokens at one position sum to 1: "
        "the last axis.",
        LINK,
        {LOG_P: "log_p = logits.log_softmax(dim=0)"},
    ),
    Misconception(
        "softmax-along-the-row",
        "The softmax runs over the last axis but one, from position to position. It runs over the "
        "vocabulary, the last axis.",
        LINK,
        {LOG_P: "log_p = logits.log_softmax(dim=-2)"},
    ),
    Misconception(
        "one-maximum-for-all",
        "One maximum is subtracted from all logits. Where a position's logits lie far below it, "
        "all its exponentials are 0: each position needs a maximum of its own.",
        LINK,
        {
            LOG_P: "e = (logits - logits.max()).exp()\n    p = e / e.sum(dim=-1, keepdim=True)",
            GATHER: "p = p.gather(-1, index[..., None]).squeeze(-1)\n"
            "    log_p = p.masked_fill(~is_real, 1.0).log()",
        },
    ),
    Misconception(
        "yes-or-no-for-each-token",
        "Each token of the vocabulary is judged by itself, as a yes or no: a sigmoid and binary "
        "cross-entropy. The next token is one of them: softmax, and the target's -log p alone.",
        LINK,
        {
            LOG_P: "logits = logits.masked_fill(~is_real[..., None], 0.0)\n"
            "    no = torch.nn.functional.logsigmoid(-logits)\n"
            "    log_p = torch.nn.functional.logsigmoid(logits) + no.sum(-1, keepdim=True) - no"
        },
    ),
    Misconception(
        "sign-lost",
        "The loss is negative: the logarithm of a probability is at most 0, and minus it is the "
        "cost.",
        LINK,
        {LOSSES: "losses = log_p.masked_fill(~is_real, 0.0)"},
    ),
    Misconception(
        "logarithm-of-the-mean",
        "The probabilities of the targets are averaged, and the logarithm is taken of their mean. "
        "Logarithm first, then the mean: a text's probability is a product, not a sum.",
        LINK,
        {
            RESULT: "p = (-losses).exp() * is_real\n"
            "    return -(p.sum() / is_real.sum()).log() if is_real.any() else losses.sum()"
        },
    ),
    Misconception(
        "bits-instead-of-nats",
        "The loss is in bits, by a logarithm to base 2. Nats are wanted.",
        LINK,
        {RESULT: "return losses.sum() / is_real.sum().clamp(min=1) / 0.6931471805599453"},
    ),
    Misconception(
        "perplexity-returned",
        "This is the perplexity, exp of the loss.",
        LINK,
        {RESULT: "return (losses.sum() / is_real.sum().clamp(min=1)).exp()"},
    ),
    Misconception(
        "shifted-again",
        "Logits and targets are shifted against each other once more. The targets that come in are "
        "shifted already: logits and targets of one position belong together.",
        "pretraining-shift",
        {
            REAL: "if targets.dim() and targets.shape[-1] > 1:\n"
            "        logits, targets = logits[..., :-1, :], targets[..., 1:]\n    " + REAL
        },
    ),
    Misconception(
        "shifted-whatever-the-axes",
        "The last logits and the first target are cut off, as if the targets were the text itself. "
        "They are shifted already: keep all of both.",
        "pretraining-shift",
        {REAL: "logits, targets = logits[..., :-1, :], targets[..., 1:]\n    " + REAL},
    ),
    Misconception(
        "loss-of-each-token",
        "There is a loss for each position. One number is wanted, their mean.",
        LINK,
        {RESULT: "return losses"},
    ),
    Misconception(
        "only-the-last-position",
        "Only the last position of each row counts. Every position has a target, and all are "
        "trained at once.",
        "pretraining-shift",
        {
            RESULT: "return (losses[..., -1].sum() / is_real[..., -1].sum().clamp(min=1)) "
            "if losses.dim() else losses"
        },
    ),
    Misconception(
        "plain-number",
        "A plain Python number came back, and no gradient can pass through it. Return the tensor.",
        LINK,
        {RESULT: "return (losses.sum() / is_real.sum().clamp(min=1)).item()"},
    ),
)

EXERCISE = Exercise(
    id="pretraining/next_token_loss",
    callable="next_token_loss",
    title="The loss, and what does not count",
    parts={USUAL: 2, EDGE: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(only_the_real_ones, token_by_token, with_one_hot),
    drive=drive.loss_and_gradient,
    forbids=(
        "torch.nn.functional.cross_entropy",
        "torch.nn.functional.nll_loss",
        "torch.nn.CrossEntropyLoss",
        "torch.nn.NLLLoss",
    ),
    equivalent={"`1` for `0`": "any id serves where the target is ignored"},
    properties=(
        Property(
            "knows-nothing",
            "All 13 tokens are as likely, and the loss is not ln 13.",
            START,
            ("equal",),
            lambda equal: bool(np.allclose(equal["loss"], np.log(13), rtol=1e-3)),
        ),
        Property(
            "ignored-places-matter",
            "Other logits where targets are ignored change the loss.",
            LINK,
            ("ragged", "elsewhere"),
            lambda ragged, elsewhere: bool(
                np.allclose(ragged["loss"], elsewhere["loss"], rtol=1e-3)
            ),
        ),
    ),
)
