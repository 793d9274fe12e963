"""decoder/logit_lens: where a token stands after every layer."""

import numpy as np
import torch
import torch.nn.functional as F

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.decoder.draw import norm_weight, normal

LINK = "decoder-lens"
AXES = "n_streams"
PLAIN, TENFOLD = "7 states", "the same states, 10 times as large"


def cases(rng: np.random.Generator) -> list[Case]:
    """Many states and one; tokens of all ranks; other norms; sizes and eps."""
    table, norm, states = normal(rng, 23, 11), norm_weight(rng, 11), normal(rng, 7, 11)
    ones = np.ones(11, dtype=np.float32)
    token = int(rng.integers(1, 22))
    states[2] = 3 * table[token] / norm  # near the top
    states[4] = -2 * table[token] / norm  # near the end
    return [
        _case(PLAIN, states, norm, table, token),
        _case(TENFOLD, 10 * states, norm, table, token),
        _case("the same states, a norm of ones", states, ones, table, token),
        _case("the same states, a norm with signs", states, normal(rng, 11), table, token),
        _case("the same states and token 0", states, norm, table, 0),
        _case("the same states and the last token", states, norm, table, 22),
        _case("tiny states and a large eps", states / 100, norm, table, token, eps=0.01),
        _default_eps("small states, eps left out", states / 300, norm, table, token),
        _case("a single state", states[:1], norm, table, token),
        _case("as many states as tokens", normal(rng, 5, 11), norm, normal(rng, 5, 11), 3),
        _case("a vocabulary of one token", states, norm, table[:1], 0),
    ]


def _case(says, states, norm, table, token, eps=1e-5) -> Case:
    inputs = _default_eps(says, states, norm, table, token).inputs
    return Case(says, {**inputs, "norm_eps": eps}, axes=AXES)


def _default_eps(says, states, norm, table, token) -> Case:
    inputs = {"streams": states, "final_norm": norm, "token_embedding": table}
    return Case(says, {**inputs, "token_id": token}, axes=AXES)


# --- right in other ways ---------------------------------------------------------------------


def state_by_state(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    """A loop over the states, and Python's sum."""
    ranks, shares = [], []
    for state in streams:
        normed = F.rms_norm(state, state.shape, final_norm, norm_eps)
        logits = (token_embedding @ normed).double()
        ranks.append(1 + sum(logit > logits[token_id].item() for logit in logits.tolist()))
        shares.append(1 / (logits - logits[token_id]).exp().sum().item())
    return torch.tensor(ranks), torch.tensor(shares)


def by_sorting(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    """Where the token's id stands among the sorted ones."""
    scale = (streams.pow(2).mean(-1, keepdim=True) + norm_eps) ** -0.5
    p = F.linear(streams * scale * final_norm, token_embedding).softmax(-1)
    order = p.argsort(dim=-1, descending=True)
    return (order == token_id).nonzero()[:, 1] + 1, p[:, token_id]


def the_others_that_are_not_larger(streams, final_norm, token_embedding, token_id, norm_eps=1e-5):
    """All tokens minus those whose logit is at most as large; one product the other way round."""
    normed = F.rms_norm(streams, final_norm.shape, final_norm, norm_eps)
    logits = token_embedding @ normed.T  # vocab n_streams
    at_most = torch.le(logits, logits[token_id]).int().sum(dim=0)
    p = (logits[token_id] - torch.logsumexp(logits, dim=0)).exp()
    return len(token_embedding) - at_most + 1, p


# --- wrong in known ways -----------------------------------------------------------------------

LOGITS = "rms_norm(streams, final_norm, norm_eps) @ token_embedding.T"
OWN = "logits[:, [token_id]]"
RANK = f"1 + (logits > {OWN}).sum(dim=-1)"
P = "logits.softmax(dim=-1)[:, token_id]"
OUT = f"return ranks, {P}"

MISCONCEPTIONS = (
    Misconception(
        "ranks-from-0",
        "The token on top gets 0. Rank 1 is the top: one more than the number of larger logits.",
        LINK,
        {"1 + (": "("},
    ),
    Misconception(
        "counted-from-the-end",
        "This counts tokens with a *smaller* logit, so that the top has the largest number. Rank 1 "
        "is the token with the largest logit.",
        LINK,
        {RANK: RANK.replace(">", "<")},
    ),
    Misconception(
        "itself-counted",
        "The token counts itself among those that are ahead of it, or tokens that are equal to it: "
        "only larger logits count.",
        LINK,
        {RANK: RANK.replace(">", ">=")},
    ),
    Misconception(
        "final-norm-missing",
        "The states are read without the final norm, so large states give large logits and "
        "probabilities near 0 or 1. Read each as if it were the last.",
        LINK,
        {LOGITS: "streams @ token_embedding.T"},
    ),
    Misconception(
        "norm-weight-ignored",
        "The states are divided by their size, and not scaled by `final_norm`. Dividing changes no "
        "rank; the weight changes ranks and probabilities.",
        LINK,
        {LOGITS: LOGITS.replace("final_norm", "torch.ones_like(final_norm)")},
    ),
    Misconception(
        "layer-norm-for-rms-norm",
        "The mean of each state is taken off. The final norm of this decoder is RMSNorm, which "
        "leaves it.",
        "decoder-rms-norm",
        {"rms_norm(streams,": "rms_norm(streams - streams.mean(-1, keepdim=True),"},
    ),
    Misconception(
        "last-state-only",
        "Only the last state is read. The lens reads every one as if it were the last.",
        LINK,
        {OUT: "return ranks[-1:], logits.softmax(dim=-1)[-1:, token_id]"},
    ),
    Misconception(
        "first-state-left-out",
        "The first state is missing: the embedding, before any layer, is read as well.",
        LINK,
        {OUT: "return ranks[1:], logits.softmax(dim=-1)[1:, token_id]"},
    ),
    Misconception(
        "states-summed",
        "The states are added up before they are read. Each one already holds all that was "
        "written before it: read it as it is.",
        "decoder-stream",
        {"rms_norm(streams,": "rms_norm(streams.cumsum(dim=0),"},
    ),
    Misconception(
        "differences-read",
        "This reads what each layer has added, and not the stream that it leaves behind.",
        "decoder-stream",
        {"rms_norm(streams,": "rms_norm(streams.diff(dim=0, prepend=0 * streams[:1]),"},
    ),
    Misconception(
        "compared-with-the-last-state",
        "Every state's logits are compared with the token's logit in the last state. A rank "
        "belongs to one state: compare within it.",
        LINK,
        {OWN: "logits[-1, token_id]"},
    ),
    Misconception(
        "ranked-among-the-states",
        "The token's logit is ranked among the states. The rank is its place among the tokens of "
        "the vocabulary, for each state by itself.",
        LINK,
        {RANK: "1 + (logits[:, token_id] > logits[:, [token_id]]).sum(dim=-1)"},
    ),
    Misconception(
        "token-found-not-its-rank",
        "In the place of ranks stand ids: the token on top of each state. Wanted is the place at "
        "which the given token stands.",
        LINK,
        {RANK: "logits.argmax(dim=-1)"},
    ),
    Misconception(
        "sorted-ids-at-the-token",
        "Sorting gives, at each rank, the id that has it. Indexing that with the token's id asks "
        "who has this rank; wanted is the rank of the token.",
        LINK,
        {RANK: "1 + logits.argsort(dim=-1, descending=True)[:, token_id]"},
    ),
    Misconception(
        "logits-for-probabilities",
        "The ranks are right; beside them stand the token's logits. A softmax over the vocabulary "
        "makes probabilities of logits.",
        "decoder-logits",
        {P: "logits[:, token_id]"},
    ),
    Misconception(
        "log-probabilities",
        "The ranks are right; beside them stand the logarithms of the probabilities.",
        "decoder-logits",
        {P: "logits.log_softmax(dim=-1)[:, token_id]"},
    ),
    Misconception(
        "softmax-over-states",
        "The softmax runs over the states, so that a token's numbers sum to 1 over the layers. "
        "Tokens compete within one state: the last axis.",
        "decoder-logits",
        {P: "logits.softmax(dim=0)[:, token_id]"},
    ),
    Misconception(
        "probability-of-the-top",
        "The probabilities are those of the token on top, whichever it is. Wanted is that of the "
        "given token.",
        LINK,
        {P: "logits.softmax(dim=-1).amax(dim=-1)"},
    ),
    Misconception(
        "sigmoid-for-softmax",
        "The token's logit goes through a sigmoid, which takes no notice of the other tokens. A "
        "softmax over the vocabulary makes probabilities of logits.",
        "decoder-logits",
        {P: "logits.sigmoid()[:, token_id]"},
    ),
    Misconception(
        "normed-twice",
        "The states pass the final norm twice, and so its weight counts twice.",
        LINK,
        {LOGITS: f"rms_norm({LOGITS.replace(' @', ', final_norm, norm_eps) @')}"},
    ),
    Misconception(
        "probabilities-without-the-norm",
        "The ranks are right; the probabilities are read from states that did not pass the norm.",
        LINK,
        {P: "(streams @ token_embedding.T).softmax(dim=-1)[:, token_id]"},
    ),
    Misconception(
        "only-ranks",
        "These are the ranks alone. The probabilities are wanted as well: two results.",
        LINK,
        {OUT: "return ranks"},
    ),
    Misconception(
        "results-exchanged",
        "The two results have changed places: first the ranks, then the probabilities.",
        LINK,
        {OUT: f"return {P}, ranks"},
    ),
    Misconception(
        "eps-not-passed-on",
        "norm_eps stops here: the norm uses its own default. Models differ in it.",
        "decoder-rms-norm",
        {LOGITS: LOGITS.replace(", norm_eps", "")},
    ),
    Misconception(
        "counted-over-the-states",
        "The larger logits are counted down the states, which gives a number for each token. Count "
        "along the vocabulary: one rank for each state.",
        LINK,
        {"sum(dim=-1)": "sum(dim=0)"},
    ),
    Misconception(
        "counted-over-everything",
        "The larger logits of all states are counted together. A rank belongs to one state: count "
        "along the last axis alone.",
        LINK,
        {"sum(dim=-1)": "sum()"},
    ),
    Misconception(
        "own-logit-without-an-axis",
        "The token's own logits have no axis of tokens any more, so states are compared with "
        "tokens. `[token_id]`, in a list, keeps that axis.",
        LINK,
        {OWN: "logits[:, token_id]"},
    ),
    Misconception(
        "features-ranked",
        "The features of the stream are ranked, as if each were a token. The table turns them into "
        "logits first, one for each token.",
        "decoder-tied",
        {LOGITS: "rms_norm(streams, final_norm, norm_eps)[:, : len(token_embedding)]"},
    ),
    Misconception(
        "ranks-as-floats",
        "The ranks are right, as floats. A rank is a whole number.",
        LINK,
        {RANK: f"({RANK}).float()"},
    ),
    Misconception(
        "next-token-ranked",
        "The rank is that of the neighbour with the next id: ids count from 0.",
        LINK,
        {OWN: "logits[:, [token_id - 1]]", P: "logits.softmax(dim=-1)[:, token_id - 1]"},
    ),
)


def _size_has_no_effect(before, after) -> bool:
    return bool(np.allclose(before[1], after[1], atol=1e-3))


EXERCISE = Exercise(
    id="decoder/logit_lens",
    callable="logit_lens",
    title="The logit lens",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(state_by_state, by_sorting, the_others_that_are_not_larger),
    depends=("decoder/rms_norm",),
    properties=(
        Property(
            "size-has-an-effect",
            "The same states, 10 times as large, get other probabilities. The final norm takes the "
            "size off before the logits are computed.",
            LINK,
            (PLAIN, TENFOLD),
            _size_has_no_effect,
        ),
    ),
    equivalent=dict.fromkeys(
        ("`dim=1` for `dim=-1`", "`dim=1` for `dim=-1` (2)"), "logits have two axes: 1 is the last"
    ),
)
