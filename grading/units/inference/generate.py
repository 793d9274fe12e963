"""inference/generate: one token after the other."""

import itertools
from collections import deque

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.inference import drive

LINK, CONTEXT, STOP = "inference-loop", "inference-context", "inference-stop"
LOOP, ENDS, WINDOW = "the loop", "stopping", "the context"
VOCAB = drive.VOCAB


def cases(rng: np.random.Generator) -> list[Case]:
    """Prompts, numbers of tokens and choices; stop ids; contexts longer, as long, and shorter."""
    prompt, written = _telling_prompt(rng)
    other = rng.integers(VOCAB, size=4).tolist()
    plan = {"choose": "highest", "stop_ids": [], "context_length": 100}
    unused = [i for i in range(VOCAB) if i not in greedy(other, 6)]
    never = [i for i in range(VOCAB) if i not in written]
    in_prompt = next(i for i in range(VOCAB) if i not in greedy([i, *other], 5))

    def case(says, part, token_ids, n, name="", **changes):
        inputs = {"token_ids": token_ids, "max_new_tokens": n, **plan, **changes}
        return Case(says, inputs, part, name=name)

    return [
        case("a prompt of five tokens", LOOP, prompt, 9, "free"),
        case("a prompt of one token", LOOP, prompt[:1], 4),
        case("a single token to write", LOOP, other, 1, "one"),
        case("nothing to write", LOOP, other, 0, "none"),
        case("another way to choose", LOOP, other, 6, choose="second"),
        case("an empty prompt", LOOP, [], 3),
        case("a stop id that is chosen", ENDS, prompt, 9, "stopped", stop_ids=[written[4]]),
        case("a stop id that is chosen first", ENDS, prompt, 9, stop_ids=[written[0]]),
        case("several stop ids", ENDS, prompt, 9, stop_ids=[never[0], written[6], written[3]]),
        case("a stop id that never comes", ENDS, other, 6, stop_ids=unused[:1]),
        case("a stop id within the prompt", ENDS, [in_prompt, *other], 5, stop_ids=[in_prompt]),
        case("a stop id that is chosen last", ENDS, prompt, 9, stop_ids=written[-1:]),
        case("a context that the text outgrows", WINDOW, prompt, 9, "window", context_length=7),
        case("a prompt longer than the context", WINDOW, prompt, 4, context_length=3),
        case("a context of one token", WINDOW, prompt, 4, context_length=1),
        case("a text that just fits", WINDOW, prompt, 4, context_length=8),
    ]


def greedy(prompt: list[int], n: int) -> list[int]:
    """What the made-up model writes."""
    text = list(prompt)
    for _ in range(n):
        text.append(drive.CHOICES["highest"](drive.made_up_logits(text)))
    return text[len(prompt) :]


def _telling_prompt(rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """A prompt, and what is written behind it; its last token and its first seven come once."""
    while True:
        prompt = rng.integers(VOCAB, size=5).tolist()
        written = greedy(prompt, 9)
        if len(set(written[:7])) == 7 and written[8] not in written[:8]:
            return prompt, written


# --- right in other ways ---------------------------------------------------------------------


def with_a_queue(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    """A queue that forgets its oldest token by itself."""
    window = deque(token_ids, maxlen=context_length)
    if len(window) == 0:
        raise ValueError("nothing to continue")
    left = max_new_tokens
    while left > 0:
        chosen = choose(next_logits(list(window)))
        if any(chosen == stop for stop in stop_ids):
            break
        window.append(chosen)
        left -= 1
        yield chosen


def with_itertools(
    next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192
):
    """An endless stream of choices, cut by takewhile and islice."""
    if not token_ids:
        raise ValueError("nothing to continue")
    text = tuple(token_ids)

    def forever():
        nonlocal text
        while True:
            start = max(len(text) - context_length, 0)
            text += (choose(next_logits([*text[start:]])),)
            yield text[-1]

    limited = itertools.islice(forever(), max_new_tokens)
    return itertools.takewhile(lambda token: token not in stop_ids, limited)


def by_recursion(next_logits, token_ids, max_new_tokens, choose, stop_ids=(), context_length=8192):
    """One token, then the rest of the text by the same function."""
    if len(token_ids) < 1:
        raise ValueError("nothing to continue")
    if max_new_tokens < 1:
        return
    token = choose(next_logits(token_ids[-context_length:]))
    if token in set(stop_ids):
        return
    yield token
    longer = [*token_ids, token]
    yield from by_recursion(
        next_logits, longer, max_new_tokens - 1, choose, stop_ids, context_length
    )


# --- wrong in known ways -----------------------------------------------------------------------

ASK = "choose(next_logits(text[-context_length:]))"
SEEN = "text[-context_length:]"
STOPPED = "if token_id in stop_ids:\n            return"
GROW = "text.append(token_id)"
LOOPING = "for _ in range(max_new_tokens):"
EMPTY = "if not token_ids:"
FIRST = "text = list(token_ids)"

MISCONCEPTIONS = (
    Misconception(
        "text-does-not-grow",
        "The model gets the prompt alone each time, so it gives the same answer for ever. Every "
        "token that was chosen belongs to the text of the next step.",
        LINK,
        {GROW: "pass"},
    ),
    Misconception(
        "newest-token-alone",
        "The model gets only the newest token. Everything before it counts too; only with a cache "
        "that remembers it may one hand over the newest alone.",
        LINK,
        {SEEN: "text[-1:]"},
    ),
    Misconception(
        "prompt-forgotten",
        "The model gets the prompt once, and after that only what it has written itself. It has "
        "to see the prompt at every step.",
        LINK,
        {SEEN: "(text[len(token_ids) :] or text)[-context_length:]"},
    ),
    Misconception(
        "prompt-yielded-too",
        "The prompt's tokens come out as well. Only the new tokens are asked for.",
        LINK,
        {LOOPING: f"yield from text\n    {LOOPING}"},
    ),
    Misconception(
        "choice-ignored",
        "The highest logit is taken each time, whatever `choose` would do. How to choose is the "
        "caller's decision.",
        LINK,
        {ASK: f"int(next_logits({SEEN}).argmax())"},
    ),
    Misconception(
        "all-at-the-end",
        "The tokens are right, but all come at the end. Yield each one as soon as it is chosen, so "
        "that somebody can read along.",
        LINK,
        {
            FIRST: f"{FIRST}\n    new = []",
            "yield token_id": "new.append(token_id)\n    yield from new",
            STOPPED: STOPPED.replace("return", "break"),
        },
    ),
    Misconception(
        "one-token-too-many",
        "One token more than `max_new_tokens` comes out where nothing stops the loop.",
        LINK,
        {LOOPING: "for _ in range(max_new_tokens + 1):"},
    ),
    Misconception(
        "one-token-too-few",
        "One token less than `max_new_tokens` comes out where nothing stops the loop.",
        LINK,
        {LOOPING: "for _ in range(max_new_tokens - 1):"},
    ),
    Misconception(
        "prompt-counted",
        "The prompt's tokens are counted as if they were new. `max_new_tokens` limits what is "
        "written, not the whole text.",
        LINK,
        {LOOPING: "while len(text) < max_new_tokens:"},
    ),
    Misconception(
        "asked-once-too-often",
        "The tokens are right, but the model runs once more than there are choices to make: "
        "nobody uses its last logits. With a real model each run costs as much as a token.",
        LINK,
        {
            LOOPING: f"logits = next_logits({SEEN})\n    {LOOPING}",
            ASK: "choose(logits)",
            "yield token_id": f"yield token_id\n        logits = next_logits({SEEN})",
        },
    ),
    Misconception(
        "asked-twice",
        "The model runs twice for each choice. Its logits for one text are the same both times: "
        "ask once and keep them.",
        LINK,
        {ASK: f"(choose(next_logits({SEEN})), {ASK})[0]"},
    ),
    Misconception(
        "prompt-changed",
        "The text is right, but the caller's list has grown by it. Work on a copy of `token_ids`.",
        LINK,
        {FIRST: "text = token_ids"},
    ),
    Misconception(
        "empty-prompt-accepted",
        "An empty prompt gets no ValueError. There is no position whose logits one could read.",
        LINK,
        {EMPTY: "if False:"},
    ),
    Misconception(
        "stop-yielded",
        "The stop token comes out before the loop ends. It is a signal to the loop and no part of "
        "the text.",
        STOP,
        {STOPPED: "if token_id in stop_ids:\n            yield token_id\n            return"},
    ),
    Misconception(
        "stop-skipped",
        "A stop token is left out, but the loop goes on after it. The text is over when the model "
        "chooses a stop.",
        STOP,
        {STOPPED: "if token_id in stop_ids:\n            continue"},
    ),
    Misconception(
        "stop-ignored",
        "Stop tokens have no effect: they are yielded like any other, and the text goes on.",
        STOP,
        {STOPPED: "pass"},
    ),
    Misconception(
        "only-the-first-stop",
        "Only one of the stop ids ends the text. Any of them does.",
        STOP,
        {"if token_id in stop_ids:": "if token_id in list(stop_ids)[:1]:"},
    ),
    Misconception(
        "stop-in-the-prompt",
        "A stop token in the prompt ends the answer before it begins. Prompts are full of end "
        "marks, one after each turn of a chat: only a token that was just chosen counts.",
        STOP,
        {LOOPING: "for _ in range(0 if set(stop_ids) & set(text) else max_new_tokens):"},
    ),
    Misconception(
        "never-cropped",
        "The model gets the whole text however long it is. It has no positions beyond "
        "`context_length`; a real one fails there, or writes nonsense.",
        CONTEXT,
        {SEEN: "list(text)"},
    ),
    Misconception(
        "oldest-kept",
        "A text that is too long is cut at its end: the model keeps the oldest tokens, and never "
        "sees what it writes. The newest ones have to stay.",
        CONTEXT,
        {SEEN: "text[:context_length]"},
    ),
    Misconception(
        "cropped-by-one-too-many",
        "The model sees one token less than fits into its context.",
        CONTEXT,
        {SEEN: "text[max(len(text) - context_length + 1, 0) :]"},
    ),
    Misconception(
        "one-more-than-fits",
        "The model gets one token more than fits into its context.",
        CONTEXT,
        {SEEN: "text[-context_length - 1 :]"},
    ),
    Misconception(
        "cropped-once",
        "The prompt is cropped and the growing text is not: after a few tokens the model gets more "
        "than its context holds. Crop at every step.",
        CONTEXT,
        {FIRST: "text = list(token_ids)[-context_length:]", SEEN: "list(text)"},
    ),
    Misconception(
        "cropped-after-the-first-call",
        "The text is cropped only after a token has joined it, so the first call gets the whole "
        "of a long prompt. Crop before the model is asked.",
        CONTEXT,
        {SEEN: "list(text)", GROW: f"{GROW}\n        del text[:-context_length]"},
    ),
    Misconception(
        "stops-at-the-full-context",
        "The loop ends when the text fills the context. It should go on, with the oldest tokens "
        "left out.",
        CONTEXT,
        {LOOPING: "while len(text) < min(context_length, len(token_ids) + max_new_tokens):"},
    ),
)


EXERCISE = Exercise(
    id="inference/generate",
    callable="generate",
    title="The loop",
    parts={LOOP: 2, ENDS: 1, WINDOW: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.write,
    misconceptions=MISCONCEPTIONS,
    equivalent=dict.fromkeys(
        ("`8193` for `8192`", "`8191` for `8192`"),
        "only the default changes, which no text here is long enough to meet",
    ),
    alternatives=(with_a_queue, with_itertools, by_recursion),
)
