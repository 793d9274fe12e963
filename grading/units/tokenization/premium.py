"""tokenization/premium: how much dearer a language is, with an interval."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "tokenization-premium"


def cases(rng: np.random.Generator) -> list[Case]:
    """Texts of different lengths, equal ones, one text, few draws; cheaper than the base."""
    base = rng.integers(20, 400, size=29)
    factor = rng.uniform(1.5, 4, size=29)
    tokens = np.ceil(base * factor).astype(int)
    uneven = np.where(np.arange(29) == 3, 50 * base, base)
    few = rng.integers(10, 90, size=(2, 5))
    return [
        _case(rng, "29 texts and 101 draws", tokens, base, 101, "dearer"),
        _case(rng, "the same texts, base and language exchanged", base, tokens, 101, "cheaper"),
        _case(rng, "one text that is much dearer than the others", uneven, base, 97),
        _case(rng, "5 texts and 13 draws", few[0], few[1], 13),
        _case(rng, "5 texts and 2 draws", few[1], few[0], 2),
        _case(rng, "5 texts and one draw", few[0] + 1, few[1], 1),
        _case(rng, "one text", few[0][:1], few[1][:1], 7),
        _case(rng, "a language against itself", base, base, 31, "itself"),
        _case(rng, "every text exactly three times as dear", 3 * base, base, 31),
    ]


def _case(rng, says, tokens, base, draws, name="") -> Case:
    resamples = rng.integers(0, len(base), size=(draws, len(base)))
    inputs = {"n_tokens": tokens, "n_tokens_base": base, "resamples": resamples}
    return Case(says, inputs, axes="3", name=name)


# --- right in other ways ---------------------------------------------------------------------


def draw_by_draw(n_tokens, n_tokens_base, resamples):
    """A loop over the rows, a list of ratios."""
    ratios = []
    for texts in resamples:
        ratios.append(sum(n_tokens[i] for i in texts) / sum(n_tokens_base[i] for i in texts))
    low, high = np.percentile(ratios, 2.5), np.percentile(ratios, 97.5)
    return np.array([sum(n_tokens) / sum(n_tokens_base), low, high])


def by_counts(n_tokens, n_tokens_base, resamples):
    """How often each text was drawn, as a matrix, times the counts; sorted by hand."""
    drawn = np.stack([np.bincount(row, minlength=len(n_tokens)) for row in resamples])
    ratios = np.sort((drawn @ n_tokens) / (drawn @ n_tokens_base))
    ends = []
    for share in (0.025, 0.975):
        place = share * (len(ratios) - 1)
        below = int(np.floor(place))
        above = min(below + 1, len(ratios) - 1)
        ends.append(ratios[below] + (place - below) * (ratios[above] - ratios[below]))
    return np.array([n_tokens.sum() / n_tokens_base.sum(), *ends])


def by_means(n_tokens, n_tokens_base, resamples):
    """Ratios of means, which are those of sums; quantiles."""
    ratios = np.take(n_tokens, resamples).mean(-1) / np.take(n_tokens_base, resamples).mean(-1)
    interval = np.quantile(ratios, (0.025, 0.975))
    return np.concatenate([[np.mean(n_tokens) / np.mean(n_tokens_base)], interval])


# --- wrong in known ways -----------------------------------------------------------------------

RATIO = "n_tokens.sum() / n_tokens_base.sum()"
DRAWN = "n_tokens[resamples].sum(axis=1) / n_tokens_base[resamples].sum(axis=1)"
RESULT = "np.array([ratio, *np.percentile(drawn, [2.5, 97.5])])"

MISCONCEPTIONS = (
    Misconception(
        "mean-of-ratios",
        "The premium is the mean of the texts' own ratios, so that a text of one line counts as "
        "much as one of a page. The bill adds up tokens: all of one over all of the other.",
        LINK,
        {
            RATIO: "(n_tokens / n_tokens_base).mean()",
            DRAWN: "(n_tokens / n_tokens_base)[resamples].mean(axis=1)",
        },
    ),
    Misconception(
        "median-of-ratios",
        "The premium is the median of the texts' own ratios. The bill adds up tokens: all of one "
        "over all of the other.",
        LINK,
        {RATIO: "np.median(n_tokens / n_tokens_base)"},
    ),
    Misconception(
        "turned-round",
        "The ratio is turned round: a dearer language gets a premium below 1.",
        LINK,
        {
            RATIO: "n_tokens_base.sum() / n_tokens.sum()",
            DRAWN: "n_tokens_base[resamples].sum(axis=1) / n_tokens[resamples].sum(axis=1)",
        },
    ),
    Misconception(
        "only-one-side-drawn",
        "One language is drawn anew and the other is not, so that long and short texts are "
        "compared with each other. Draw texts: both counts of the same text go together.",
        LINK,
        {DRAWN: "n_tokens[resamples].sum(axis=1) / n_tokens_base.sum()"},
    ),
    Misconception(
        "drawn-apart",
        "The two languages are not drawn with the same texts. The two counts of a text belong "
        "together, and so does their noise.",
        LINK,
        {"n_tokens_base[resamples].sum": "n_tokens_base[resamples[::-1]].sum"},
    ),
    Misconception(
        "ninety-per-cent",
        "The ends are the 5th and the 95th percentile. Between the 2.5th and the 97.5th lie 95 in "
        "100.",
        LINK,
        {"[2.5, 97.5]": "[5, 95]"},
    ),
    Misconception(
        "shares-as-percentiles",
        "np.percentile wants numbers from 0 to 100. With 0.025 and 0.975 both ends lie at the very "
        "bottom.",
        LINK,
        {"[2.5, 97.5]": "[0.025, 0.975]"},
    ),
    Misconception(
        "smallest-and-largest",
        "The ends are the smallest and the largest draw, which lie further apart the more is "
        "drawn.",
        LINK,
        {"*np.percentile(drawn, [2.5, 97.5])": "drawn.min(), drawn.max()"},
    ),
    Misconception(
        "two-standard-deviations",
        "The interval is the premium plus and minus about two standard deviations. Asked for are "
        "percentiles of the draws, which need not lie evenly around it.",
        LINK,
        {
            "*np.percentile(drawn, [2.5, 97.5])": "ratio - 1.96 * drawn.std(), "
            "ratio + 1.96 * drawn.std()"
        },
    ),
    Misconception(
        "mean-of-the-draws",
        "The first number is the mean of the draws. The premium is that of all texts; the draws "
        "are for the interval alone.",
        LINK,
        {RESULT: RESULT.replace("ratio", "drawn.mean()")},
    ),
    Misconception(
        "ends-exchanged",
        "Upper and lower end have changed places.",
        LINK,
        {"[2.5, 97.5]": "[97.5, 2.5]"},
    ),
    Misconception(
        "surcharge",
        "This is how much is added: 1 too little. A premium of 1 means that both languages cost "
        "the same.",
        LINK,
        {RESULT: f"{RESULT} - 1"},
    ),
    Misconception(
        "difference",
        "This is a number of tokens, not how many times more there are.",
        LINK,
        {
            RATIO: "n_tokens.sum() - n_tokens_base.sum()",
            DRAWN: "n_tokens[resamples].sum(axis=1) - n_tokens_base[resamples].sum(axis=1)",
        },
    ),
    Misconception(
        "draws-and-texts-exchanged",
        "The sum runs over the draws instead of over the texts of a draw: a row is one draw.",
        LINK,
        {DRAWN: "n_tokens[resamples].sum(axis=0) / n_tokens_base[resamples].sum(axis=0)"},
    ),
)


def exchanged(dearer, cheaper) -> bool:
    """Exchange the two, and the premium is turned round."""
    return bool(np.isclose(dearer[0] * cheaper[0], 1) and dearer[0] > 1)


def against_itself(itself) -> bool:
    """1, without any spread."""
    return bool(np.allclose(itself, 1))


EXERCISE = Exercise(
    id="tokenization/premium",
    callable="premium",
    title="The premium of a language",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    arrays="numpy",
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`axis=-1` for `axis=1`": "the second axis is the last one",
        "`axis=-1` for `axis=1` (2)": "the second axis is the last one",
    },
    alternatives=(draw_by_draw, by_counts, by_means),
    properties=(
        Property(
            "exchanged-languages",
            "The premium of the dearer language over the other, times that of the other over it, "
            "should be 1, and the first above 1; yours is not.",
            LINK,
            ("dearer", "cheaper"),
            exchanged,
        ),
        Property(
            "a-language-against-itself",
            "A language against itself should have a premium of 1, and an interval from 1 to 1; "
            "yours has not.",
            LINK,
            ("itself",),
            against_itself,
        ),
    ),
)
