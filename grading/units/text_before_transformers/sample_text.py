"""text_before_transformers/sample_text: an n-gram model writes."""

import bisect
from itertools import accumulate

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.text_before_transformers.draw import text

LINK = "text-before-transformers-sampling"


def cases(rng: np.random.Generator) -> list[Case]:
    """n from 1 to 4, prompts longer than the context, k of 0 and above, u on an edge."""
    tokens = text(rng, 47, vocab_size=5)
    tokens += tokens[:5]  # whatever stands there has a successor
    start = int(rng.integers(10, 20))
    uniforms = [float(u) for u in rng.uniform(0.02, 0.98, size=11)]
    k = float(rng.choice([0.2, 0.3]))
    # After 0 comes 0, 1, 2 or 3, once each: edges at 1/4, 1/2, 3/4; after the others always 0.
    quarters = [0, 0, 1, 0, 2, 0, 3, 0]
    # Of the text alone each of two tokens is drawn half of the time; a token more, and it is not.
    halves, near = [0, 0, 1], [float(u) for u in rng.permutation([0.45, 0.55] * 5)]

    def case(says, prompt, n, k, among=tokens, drawn=uniforms, vocab_size=5, name=""):
        inputs = {"token_ids": among, "prompt": prompt, "n": n, "uniforms": drawn}
        return Case(says, {**inputs, "vocab_size": vocab_size, "k": k}, name=name)

    return [
        case("n=2 and k=0", tokens[start : start + 1], 2, 0),
        case(f"n=2 and k={k}", tokens[start : start + 1], 2, k),
        case("n=1", tokens[start : start + 2], 1, 0),
        case("n=1 and an empty prompt", [], 1, k),
        case("n=3 and a prompt of two tokens", tokens[start : start + 2], 3, 0),
        case("n=3 and a prompt of five tokens", tokens[start : start + 5], 3, 0),
        case("n=4 and k=1", tokens[start : start + 4], 4, 1),
        case("one token to write", tokens[start : start + 1], 2, k, drawn=uniforms[:1]),
        case("nothing to write", tokens[start : start + 1], 2, k, drawn=[]),
        case("u on the edge between two tokens", [0], 2, 0, quarters, [0.25, 0.9, 0.5, 0.0], 4),
        case("u near 0 and near 1", [0], 2, 1, drawn=[0.001, 0.999], name="ends"),
        case("u near the edge, and a text of 3 tokens", [0], 2, 1, halves, near, 2),
        case("a prompt shorter than the context", tokens[start : start + 1], 3, k),
    ]


# --- right in other ways ---------------------------------------------------------------------


def _after(token_ids, context, vocab_size, k):
    """Smoothed probabilities after a context, as a list."""
    n = len(context)
    counts = [k] * vocab_size
    for i in range(len(token_ids) - n):
        if tuple(token_ids[i : i + n]) == context:
            counts[token_ids[i + n]] += 1
    total = sum(counts)
    if total == 0:
        raise ValueError("nothing follows")
    return [count / total for count in counts]


def with_a_running_sum(token_ids, prompt, n, uniforms, vocab_size, k):
    """The sum grows until it is larger than u."""
    if n - 1 > len(prompt):
        raise ValueError("prompt too short")
    context, new = tuple(prompt)[len(prompt) - n + 1 :], []
    for u in uniforms:
        total, token = 0.0, -1
        p = _after(token_ids, context, vocab_size, k)
        while total <= u and token < vocab_size - 1:
            token += 1
            total += p[token]
        new.append(token)
        context = (context + (token,))[1:] if n > 1 else ()
    return new


def with_bisect(token_ids, prompt, n, uniforms, vocab_size, k):
    """Accumulate and bisect from the standard library."""
    if len(prompt) + 1 < n:
        raise ValueError("prompt too short")
    everything = [*prompt]
    for u in uniforms:
        context = tuple(everything[-(n - 1) :]) if n > 1 else ()
        ends = list(accumulate(_after(token_ids, context, vocab_size, k)))
        everything.append(bisect.bisect_right(ends, u))
    return everything[len(prompt) :]


def with_searchsorted(token_ids, prompt, n, uniforms, vocab_size, k):
    """NumPy's searchsorted; NumPy integers come back."""
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    tokens = np.array(prompt, dtype=int)
    for u in uniforms:
        context = tuple(tokens[tokens.size - n + 1 :].tolist())
        ends = np.cumsum(_after(token_ids, context, vocab_size, k))
        tokens = np.append(tokens, np.searchsorted(ends, u, side="right"))
    return list(tokens[len(prompt) :])


def _reading(grown):
    """Counts a text that has grown by the prompt and by what was written, or by that alone."""

    def sample(token_ids, prompt, n, uniforms, vocab_size, k):
        if len(prompt) < n - 1:
            raise ValueError("prompt too short")
        written, new = list(prompt), []
        for u in uniforms:
            context = tuple(written[len(written) - (n - 1) :])
            ends = np.cumsum(_after(grown(token_ids, prompt, new), context, vocab_size, k))
            new.append(int((ends <= u).sum()))
            written.append(new[-1])
        return new

    return sample


def late_by_one(token_ids, prompt, n, uniforms, vocab_size, k):
    """The context moves on with the last token before the new one is written."""
    if len(prompt) < n - 1:
        raise ValueError("prompt too short")
    written = list(prompt)
    context = tuple(written[len(written) - (n - 1) :])
    for u in uniforms:
        ends = np.cumsum(_after(token_ids, context, vocab_size, k))
        context = (*context, written[-1])[1:] if n > 1 else ()
        written.append(int((ends <= u).sum()))
    return written[len(prompt) :]


# --- wrong in known ways -----------------------------------------------------------------------

CONTEXT = "tuple(written[len(written) - (n - 1) :])"
CHOICE = "int((ends <= u).sum())"
ENDS = "next_probabilities(token_ids, context, vocab_size, k).cumsum()"
DRAW = f"written.append({CHOICE})"
RESULT = "return written[len(prompt) :]"

OWN_TEXT = (
    "{} counted, as if it had stood in the text: the probabilities move with "
    "each draw. They come from `token_ids` alone."
)

MISCONCEPTIONS = (
    Misconception(
        "always-the-likeliest",
        "The most probable token is taken each time, whatever u says. Drawing means that a token "
        "of probability 0.2 comes in one of five cases.",
        LINK,
        {ENDS: ENDS.removesuffix(".cumsum()"), CHOICE: "int(ends.argmax())"},
    ),
    Misconception(
        "context-never-moves",
        "Every token is drawn after the prompt's end, as if nothing had been written since. Each "
        "new token belongs to the context of the next.",
        LINK,
        {CONTEXT: "tuple(prompt[len(prompt) - (n - 1) :])"},
    ),
    Misconception(
        "whole-text-as-context",
        "The context is everything so far, and grows. An n-gram model looks at the last n - 1 "
        "tokens and no further.",
        LINK,
        {CONTEXT: "tuple(written)"},
    ),
    Misconception(
        "first-tokens-as-context",
        "The context is cut from the front of the text. The next token depends on the last n - 1.",
        LINK,
        {CONTEXT: "tuple(written[: n - 1])"},
    ),
    Misconception(
        "context-reversed",
        "The context is handed over backwards: its last token is the one that stands directly "
        "before the next.",
        LINK,
        {CONTEXT: f"{CONTEXT}[::-1]"},
    ),
    Misconception(
        "context-late-by-one",
        "The context lags behind: it was moved on before the new token was written, and so the "
        "token before comes into it a second time.",
        LINK,
        answer=late_by_one,
    ),
    Misconception(
        "minus-zero-slice",
        "For n=1 the context should be empty, but a slice that starts at -0 is the whole list. "
        "Count the start from the front.",
        LINK,
        {CONTEXT: "tuple(written[-(n - 1) :])"},
    ),
    Misconception(
        "one-token-of-context-too-many",
        "The context has n tokens. An n-gram is n tokens together: n - 1 of context and the next.",
        LINK,
        {CONTEXT: "tuple(written[max(len(written) - n, 0) :])"},
    ),
    Misconception(
        "one-token-of-context-always",
        "Only the last token is looked at, whatever n says: the context has n - 1 tokens.",
        LINK,
        {CONTEXT: "tuple(written[len(written) - min(n - 1, 1) :])"},
    ),
    Misconception(
        "prompt-returned-too",
        "The result begins with the prompt. Asked for are the new tokens alone.",
        LINK,
        {RESULT: "return written"},
    ),
    Misconception(
        "edge-belongs-to-the-left",
        "Where u is exactly the end of a stretch, the token on the left is drawn. The first token "
        "whose running sum exceeds u is the next; else u=0 could draw a token of probability 0.",
        LINK,
        {CHOICE: "int((ends < u).sum())"},
    ),
    Misconception(
        "probabilities-not-summed",
        "u is compared with the probabilities, not with their running sum. Laid side by side they "
        "make a line of length 1: what counts is where each stretch ends.",
        LINK,
        {ENDS: ENDS.removesuffix(".cumsum()"), CHOICE: "int((ends > u).argmax())"},
    ),
    Misconception(
        "all-tokens-equally-likely",
        "u chooses among all tokens alike: the probabilities have no effect. A likely token needs "
        "a longer stretch of the line from 0 to 1.",
        LINK,
        {CHOICE: "int(u * vocab_size)"},
    ),
    Misconception(
        "prompt-forgotten",
        "Only what was written enters the context, and the prompt does not. The last n - 1 tokens "
        "may be those of the prompt.",
        LINK,
        {CONTEXT: "tuple(written[max(len(written) - (n - 1), len(prompt)) :])"},
    ),
    Misconception(
        "one-number-for-all",
        "Every token is drawn with the first number of `uniforms`. Each draw needs its own, or "
        "the text has only one throw of chance in it.",
        LINK,
        {CHOICE: "int((ends <= uniforms[0]).sum())"},
    ),
    Misconception(
        "last-before-u",
        "The token drawn is the one before the stretch that holds u: an index too low by one.",
        LINK,
        {CHOICE: "max(int((ends <= u).sum()) - 1, 0)"},
    ),
    Misconception(
        "last-end-before-u",
        "The token drawn is the one whose stretch ends at or before u, too low by one: in the "
        "first stretch it is -1, which is no token. The number of ends at or below u is the "
        "token.",
        LINK,
        {CHOICE: f"{CHOICE} - 1"},
    ),
    Misconception(
        "counted-from-the-right",
        "The stretches are laid from right to left: u near 0 draws the last token. The order of "
        "the ids is asked for, the first token on the left.",
        LINK,
        {
            CHOICE: "vocab_size - 1 - int((ends <= u).sum())",
            ENDS: ENDS.replace(".cumsum()", "[::-1].cumsum()"),
        },
    ),
    Misconception(
        "from-the-likeliest-down",
        "The stretches are laid from the most probable token down. The order of the ids is asked "
        "for, whatever their probabilities.",
        LINK,
        {
            ENDS: "next_probabilities(token_ids, context, vocab_size, k)\n"
            "        order = np.argsort(-ends, kind='stable')",
            CHOICE: f"int([*order, vocab_size][{CHOICE.replace('ends', 'ends[order].cumsum()')}])",
        },
    ),
    Misconception(
        "reads-what-it-writes",
        OWN_TEXT.format("What the model writes is"),
        LINK,
        answer=_reading(lambda text, prompt, new: [*text, *new]),
    ),
    Misconception(
        "reads-prompt-and-what-it-writes",
        OWN_TEXT.format("All that stands there, prompt and new tokens, is"),
        LINK,
        answer=_reading(lambda text, prompt, new: [*text, *prompt, *new]),
    ),
    Misconception(
        "prompt-of-n-tokens-asked-for",
        "A prompt of n - 1 tokens is refused. An n-gram is n tokens with the one that is drawn: "
        "n - 1 before it are enough.",
        LINK,
        {"if len(prompt) < n - 1:": "if len(prompt) < n:"},
    ),
    Misconception(
        "not-smoothed",
        "`k` has no effect on what is drawn: tokens that never followed can never come.",
        LINK,
        {ENDS: ENDS.replace(", k)", ", 0)")},
    ),
    Misconception(
        "prompt-changed",
        "The text is right, but the prompt that was handed in has grown by it: work on a copy of "
        "the list.",
        LINK,
        {
            "written = list(prompt)": "written, n_prompt = prompt, len(prompt)",
            RESULT: "return written[n_prompt:]",
        },
    ),
    Misconception(
        "short-prompt-accepted",
        "A prompt of fewer than n - 1 tokens gets an answer. The docstring promises a ValueError: "
        "a slice that starts too early silently gives a wrong context.",
        LINK,
        {"if len(prompt) < n - 1:": "if False:"},
    ),
)

EXERCISE = Exercise(
    id="text_before_transformers/sample_text",
    callable="sample_text",
    title="Let it write",
    parts={"all": 3},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_a_running_sum, with_bisect, with_searchsorted),
    arrays="numpy",
    depends=("text_before_transformers/next_probabilities",),
    properties=(
        Property(
            "ends-of-the-line",
            "Every token has a probability above 0.01 there: u = 0.001 has to draw the first of "
            "the vocabulary, and u = 0.999 the last. Yours draw others.",
            LINK,
            ("ends",),
            lambda ends: [int(token) for token in ends] == [0, 4],
        ),
    ),
)
