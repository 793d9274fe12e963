"""inference/answer_seconds: the roofline, for a prompt and for an answer."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.inference import drive
from grading.units.inference.draw import config

LINK = "inference-roofline"


def cases(rng: np.random.Generator) -> list[Case]:
    """Machines on which one, the other, or each in turn is slower; answers of one token."""
    sizes = config(rng)
    n_weights = int(rng.integers(90_000, 110_000))
    n = int(rng.choice([13, 17]))
    even = (3e6, 4e6)  # a prompt waits for operations, a single token for bytes
    crossing = (3e6, _speed_of_reading(sizes, n_weights, n + 4, 3e6))

    def case(says, n_prompt, n_answer, speeds, n_bytes=4, changes=None, name=""):
        inputs = {"config": sizes | (changes or {}), "n_weights": n_weights}
        inputs |= {"n_prompt": n_prompt, "n_answer": n_answer}
        inputs |= {"flops_per_second": speeds[0], "bytes_per_second": speeds[1]}
        return Case(says, {**inputs, "bytes_per_number": n_bytes}, name=name)

    return [
        case(f"a prompt of {n} tokens, an answer of 5", n, 5, even, name="both"),
        case("a machine that computes very fast", n, 5, (1e12, 4e6), name="bytes"),
        case("a machine that reads very fast", n, 5, (3e6, 1e12), name="operations"),
        case(
            "the first fast machine, reading twice as fast", n, 5, (1e12, 8e6), name="bytes twice"
        ),
        case("the other, computing twice as fast", n, 5, (6e6, 1e12), name="operations twice"),
        case("an answer of one token", n, 1, even, name="one"),
        case("an answer of two tokens", n, 2, even),
        case("a prompt of one token, an answer of 3", 1, 3, even),
        case("a prompt and an answer of one token", 1, 1, even),
        case("an answer that waits for bytes first and for operations later", n, 9, crossing),
        case("numbers of 2 bytes", n, 5, even, n_bytes=2),
        case("a long prompt", 211, 5, even),
        case("a long prompt, and slow memory", 211, 5, (1e12, 4e6)),
        case(
            "one KV head for all, and slow memory", 211, 5, (1e12, 4e6), changes={"n_kv_heads": 1}
        ),
        Case(
            "a call that names no bytes",
            {
                "config": sizes,
                "n_weights": n_weights,
                "n_prompt": 7,
                "n_answer": 3,
                "flops_per_second": 3e6,
                "bytes_per_second": 4e6,
            },
        ),
    ]


def _speed_of_reading(sizes, n_weights, seen, flops_per_second) -> float:
    """Bytes a second at which a step that attends to `seen` positions waits for both alike."""
    config = drive.Config(**sizes)
    n_bytes = n_weights * 4 + _cached(config, seen, 4)
    return n_bytes * flops_per_second / _flops(config, 1, seen)


# --- right in other ways ---------------------------------------------------------------------


def _flops(c, new, seen):
    widths = 2 * (c.n_heads + c.n_kv_heads) * c.head_dim + 3 * c.d_ff
    per_layer = 2 * new * c.d_model * widths + 4 * new * seen * c.n_heads * c.head_dim
    return c.n_layers * per_layer + 2 * c.d_model * c.vocab_size


def _cached(c, seen, n_bytes):
    return n_bytes * seen * c.n_layers * c.n_kv_heads * c.head_dim * 2


def with_lists(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    """All passes as (new, seen) pairs first, then their times."""
    passes = [(n_prompt, n_prompt)] + [(1, n_prompt + i + 1) for i in range(n_answer - 1)]
    times = []
    for new, seen in passes:
        computing = _flops(config, new, seen) / flops_per_second
        reading = (
            n_weights * bytes_per_number + _cached(config, seen, bytes_per_number)
        ) / bytes_per_second
        times.append(computing if computing > reading else reading)
    return times[0], sum(times[1:])


def with_numpy(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    """Arrays over all passes of the answer at once."""
    seen = np.arange(n_prompt, n_prompt + n_answer)
    new = np.where(np.arange(n_answer) == 0, n_prompt, 1)
    computing = _flops(config, new, seen) / flops_per_second
    reading = n_weights * bytes_per_number + _cached(config, seen, bytes_per_number)
    slower = np.maximum(computing, reading / bytes_per_second)
    return float(slower[0]), float(slower[1:].sum())


def step_by_step(
    config, n_weights, n_prompt, n_answer, flops_per_second, bytes_per_second, bytes_per_number=4
):
    """A text that grows, and a clock."""
    clock, seen, first = 0.0, 0, None
    new = n_prompt
    for _ in range(n_answer):
        seen += new
        moved = bytes_per_number * n_weights + _cached(config, seen, bytes_per_number)
        clock += max(_flops(config, new, seen) / flops_per_second, moved / bytes_per_second)
        first = clock if first is None else first
        new = 1
    return first, clock - first


# --- wrong in known ways -----------------------------------------------------------------------

READ = "n_bytes = n_weights * bytes_per_number + cache_bytes(config, 1, kv_seq, bytes_per_number)"
SLOWER = "max(pass_flops(config, q_seq, kv_seq) / flops_per_second, n_bytes / bytes_per_second)"
COMPUTE = "pass_flops(config, q_seq, kv_seq) / flops_per_second"
STEPS = "seconds(1, n_prompt + i) for i in range(1, n_answer)"
PREFILL = "return seconds(n_prompt, n_prompt), decode"

MISCONCEPTIONS = (
    Misconception(
        "speeds-exchanged",
        "Operations are divided by bytes a second, and bytes by operations a second. Each has its "
        "own speed.",
        LINK,
        {
            COMPUTE: "pass_flops(config, q_seq, kv_seq) / bytes_per_second",
            "n_bytes / bytes_per_second": "n_bytes / flops_per_second",
        },
    ),
    Misconception(
        "speed-divided-by-work",
        "A speed is divided by the work, which is how often a second it could be done. Seconds are "
        "work divided by speed.",
        LINK,
        {
            SLOWER: "max(flops_per_second / pass_flops(config, q_seq, kv_seq), "
            "bytes_per_second / n_bytes)"
        },
    ),
    Misconception(
        "multiplied-by-the-speed",
        "The work is multiplied by the speed: a faster machine would take longer.",
        LINK,
        {
            SLOWER: "max(pass_flops(config, q_seq, kv_seq) * flops_per_second, "
            "n_bytes * bytes_per_second)"
        },
    ),
    Misconception(
        "operations-alone",
        "This counts the time for operations alone. A pass also has to bring all weights from "
        "memory, and for a single token that takes longer.",
        LINK,
        {SLOWER: COMPUTE},
    ),
    Misconception(
        "bytes-alone",
        "This counts the time for reading alone. A long prompt has so many operations that they "
        "take longer than reading the weights.",
        LINK,
        {SLOWER: "n_bytes / bytes_per_second"},
    ),
    Misconception(
        "both-added",
        "Operations and reading are added up. They go on side by side, so the roofline takes the "
        "slower of the two.",
        LINK,
        {SLOWER: f"{COMPUTE} + n_bytes / bytes_per_second"},
    ),
    Misconception(
        "sums-compared",
        "Operations and bytes of the whole answer are added up before the slower one is taken. "
        "Each pass waits for its own slower one; which one it is may change as the cache grows.",
        LINK,
        {
            PREFILL: "steps = range(n_prompt + 1, n_prompt + n_answer)\n"
            "    n_flops = sum(pass_flops(config, 1, seen) for seen in steps)\n"
            "    n_bytes = sum(n_weights * bytes_per_number + "
            "cache_bytes(config, 1, seen, bytes_per_number) for seen in steps)\n"
            "    return seconds(n_prompt, n_prompt), "
            "max(n_flops / flops_per_second, n_bytes / bytes_per_second)"
        },
    ),
    Misconception(
        "the-faster-one",
        "This takes the faster of the two. A pass is over only when both are done.",
        LINK,
        {SLOWER: SLOWER.replace("max(", "min(")},
    ),
    Misconception(
        "one-pass-too-many",
        "The answer has one pass too many: its first token comes from the prompt's pass, and its "
        "last token is not run.",
        LINK,
        {STEPS: "seconds(1, n_prompt + i) for i in range(1, n_answer + 1)"},
    ),
    Misconception(
        "one-pass-too-few",
        "The answer has one pass too few. Every token but the first needs a pass.",
        LINK,
        {STEPS: "seconds(1, n_prompt + i) for i in range(1, n_answer - 1)"},
    ),
    Misconception(
        "itself-not-counted",
        "In a step of the answer the newest token is left out of what is attended to. It attends "
        "to itself as well.",
        LINK,
        {STEPS: "seconds(1, n_prompt + i - 1) for i in range(1, n_answer)"},
    ),
    Misconception(
        "cache-does-not-grow",
        "Every step of the answer costs the same here. Each attends to one position more than the "
        "step before.",
        LINK,
        {STEPS: "seconds(1, n_prompt + 1) for i in range(1, n_answer)"},
    ),
    Misconception(
        "cache-of-the-prompt-alone",
        "Every step of the answer attends to the prompt alone. It attends to itself and to the "
        "answer's earlier tokens too, so each step costs a little more than the one before.",
        LINK,
        {STEPS: "seconds(1, n_prompt) for i in range(1, n_answer)"},
    ),
    Misconception(
        "step-sees-itself-alone",
        "A step of the answer is counted as if its token stood alone. It attends to all before it, "
        "and reads their keys and values.",
        LINK,
        {STEPS: "seconds(1, 1) for i in range(1, n_answer)"},
    ),
    Misconception(
        "only-new-keys-read",
        "The bytes of the cache are counted for the new tokens alone. A pass reads the keys and "
        "values of all positions that it attends to.",
        LINK,
        {READ: READ.replace("kv_seq", "q_seq")},
    ),
    Misconception(
        "prompt-not-in-the-cache",
        "The steps of the answer attend to the answer alone. The prompt's keys and values are in "
        "the cache, and every step reads them.",
        LINK,
        {STEPS: "seconds(1, i) for i in range(1, n_answer)"},
    ),
    Misconception(
        "no-cache",
        "Every step runs the whole text again. With a cache only the newest token is run.",
        LINK,
        {STEPS: "seconds(n_prompt + i, n_prompt + i) for i in range(1, n_answer)"},
    ),
    Misconception(
        "answer-in-one-pass",
        "The answer is counted as one pass, like a prompt. Its tokens are not known beforehand: "
        "each needs the one before it.",
        LINK,
        {
            STEPS: "seconds(n_answer - 1, n_prompt + n_answer - 1) "
            "for i in range(min(n_answer - 1, 1))"
        },
    ),
    Misconception(
        "prompt-token-by-token",
        "The prompt is counted as one pass for each of its tokens. All of them are known, so one "
        "pass runs them together and reads the weights once.",
        LINK,
        {PREFILL: "return sum(seconds(1, i + 1) for i in range(n_prompt)), decode"},
    ),
    Misconception(
        "weights-read-for-every-token",
        "The prompt's pass is made to read the weights once for each of its tokens. One pass "
        "reads them once and uses them for all.",
        LINK,
        {READ: READ.replace("n_weights *", "q_seq * n_weights *")},
    ),
    Misconception(
        "cache-not-read",
        "The keys and values are missing from the bytes. A long text's cache takes time to read, "
        "too.",
        LINK,
        {READ: "n_bytes = n_weights * bytes_per_number"},
    ),
    Misconception(
        "cache-in-2-bytes",
        "`bytes_per_number` is not handed to `cache_bytes`, which then counts 2 bytes for each "
        "number of the keys and values.",
        LINK,
        {READ: READ.replace("kv_seq, bytes_per_number", "kv_seq")},
    ),
    Misconception(
        "weights-not-read",
        "The weights are missing from the bytes. Every pass reads all of them, and that is most of "
        "what it reads.",
        LINK,
        {READ: "n_bytes = cache_bytes(config, 1, kv_seq, bytes_per_number)"},
    ),
    Misconception(
        "bytes-of-the-weights-fixed",
        "The weights are counted in numbers instead of bytes.",
        LINK,
        {READ: READ.replace("n_weights * bytes_per_number", "n_weights")},
    ),
    Misconception(
        "total-second",
        "The second number is the time for everything. Asked for is the answer without the "
        "prompt's pass.",
        LINK,
        {PREFILL: "return seconds(n_prompt, n_prompt), seconds(n_prompt, n_prompt) + decode"},
    ),
    Misconception(
        "seconds-of-one-token",
        "The second number is the mean of one token of the answer. Asked for is the whole answer.",
        LINK,
        {PREFILL: "return seconds(n_prompt, n_prompt), decode / max(n_answer - 1, 1)"},
    ),
    Misconception(
        "answer-first",
        "The two numbers have changed places: first the prompt, then the answer.",
        LINK,
        {PREFILL: "return decode, seconds(n_prompt, n_prompt)"},
    ),
)

EXERCISE = Exercise(
    id="inference/answer_seconds",
    callable="answer_seconds",
    title="Seconds, predicted",
    parts={"all": 3},
    minutes=15,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.with_config,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_lists, with_numpy, step_by_step),
    depends=("inference/cache_bytes", "inference/pass_flops"),
    equivalent={
        "`cache_bytes(config, kv_seq, 1, bytes_per_number)` for "
        "`cache_bytes(config, 1, kv_seq, bytes_per_number)`": "a product of the same numbers",
        "`cache_bytes(config, 1, bytes_per_number, kv_seq)` for "
        "`cache_bytes(config, 1, kv_seq, bytes_per_number)`": "a product of the same numbers",
        "`sum((seconds(1, n_prompt + i) for i in range(1, n_answer)))` for "
        "`sum((seconds(1, n_prompt + i) for i in range(1, n_answer)), start=0.0)`": "0 is 0.0",
    },
    rtol=1e-6,
    atol=1e-12,
    properties=(
        Property(
            "reading-twice-as-fast",
            "Where reading takes all the time, memory that is twice as fast does not halve the "
            "seconds.",
            LINK,
            ("bytes", "bytes twice"),
            lambda slow, fast: bool(np.allclose(slow, 2 * np.array(fast), rtol=1e-6)),
        ),
        Property(
            "computing-twice-as-fast",
            "Where operations take all the time, a machine that computes twice as fast does not "
            "halve the seconds.",
            LINK,
            ("operations", "operations twice"),
            lambda slow, fast: bool(np.allclose(slow, 2 * np.array(fast), rtol=1e-6)),
        ),
        Property(
            "one-token-is-free",
            "An answer of one token needs a pass of its own here. It comes from the prompt's pass.",
            LINK,
            ("one",),
            lambda one: one[1] == 0,
        ),
    ),
)
