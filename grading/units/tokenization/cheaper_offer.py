"""tokenization/cheaper_offer: which of two offers costs less, and how much a month?"""

import numpy as np

from grading.course.exercise import Misconception, Question, decision
from grading.judging.measures import Within

LINK = "tokenization-premium"
LANGUAGES = {  # premium over English: an older tokenizer, a newer one
    "Hindi": (5.2, 1.6),
    "Thai": (4.3, 2.1),
    "Bengali": (6.4, 1.7),
    "Tamil": (7.5, 2.2),
    "Georgian": (9.8, 1.8),
}


def draw(rng: np.random.Generator) -> Question:
    """Two offers, drawn again until no wrong reading of them costs about what another one does."""
    while True:
        question = _draw(rng)
        costs = sorted([question.right, *question.wrong.values()])
        if all(b > 1.04 * a for a, b in zip(costs, costs[1:], strict=False)):
            return question


def _draw(rng: np.random.Generator) -> Question:
    """The offer with the lower price for a token is the dearer one for these readers."""
    language = str(rng.choice(list(LANGUAGES)))
    old, new = (round(p * rng.uniform(0.9, 1.1), 2) for p in LANGUAGES[language])
    low = float(rng.integers(40, 70)) / 100
    high = round(low * rng.uniform(1.25, 1.45), 2)
    share = float(rng.integers(55, 80)) / 100
    texts, words, per_word = 1000 * int(rng.integers(20, 90)), int(rng.integers(150, 400)), 1.3
    english = texts * words * per_word / 1e6  # millions of tokens, were all texts English

    def cost(price: float, premium: float) -> float:
        return price * english * ((1 - share) + share * premium)

    shown = {
        "texts a month": texts,
        "English words in a text": words,
        "tokens for an English word": per_word,
        f"share of texts in {language}": share,
        f"tokens of a text in {language}, English is 1": {"A": old, "B": new},
        "dollars for a million tokens": {"A": low, "B": high},
    }
    wrong = {
        "price-alone": cost(low, old),
        "english-everywhere": low * english,
        "dearer-offer-without-premium": high * english,
        "premium-everywhere": high * english * new,
        "premium-on-the-wrong-share": high * english * (share + (1 - share) * new),
        "english-left-out": high * english * share * new,
        "english-counted-twice": high * english * (1 + share * new),
        "words-as-tokens": cost(high, new) / per_word,
        "divided-by-the-tokens-of-a-word": cost(high, new) / per_word**2,
        "not-in-millions": cost(high, new) * 1e6,
        "divided-by-the-premium": high * english * ((1 - share) + share / new),
    }
    return Question(shown=shown, right=cost(high, new), wrong=wrong)


MISCONCEPTIONS = (
    Misconception(
        "price-alone",
        "This is what offer A costs. Its price for a token is the lower one, but its tokenizer "
        "makes many more tokens of the same texts: work out both.",
        LINK,
    ),
    Misconception(
        "english-everywhere",
        "This is offer A for texts that are all English. Most of yours are not, and take more "
        "tokens.",
        LINK,
    ),
    Misconception(
        "dearer-offer-without-premium",
        "This is offer B for texts that are all English. Most of yours are not, and take more "
        "tokens.",
        LINK,
    ),
    Misconception(
        "premium-everywhere",
        "Here all texts take the tokens of the other language. The English ones among them do not.",
        LINK,
    ),
    Misconception(
        "premium-on-the-wrong-share",
        "Here the English texts take more tokens and the others do not: the two shares have "
        "changed places.",
        LINK,
    ),
    Misconception(
        "english-left-out",
        "Here only the texts in the other language are paid for. The English ones cost too.",
        LINK,
    ),
    Misconception(
        "english-counted-twice",
        "Here the texts in the other language are paid for twice, as English ones too. Only the "
        "rest of the texts is English.",
        LINK,
    ),
    Misconception(
        "divided-by-the-tokens-of-a-word",
        "The words were divided by the tokens that a word takes. A word takes more than one token: "
        "multiply.",
        LINK,
    ),
    Misconception(
        "not-in-millions",
        "The prices are for a million tokens, and here for one.",
        LINK,
    ),
    Misconception(
        "words-as-tokens",
        "Here an English word is one token. It takes a little more, as the table says.",
        LINK,
    ),
    Misconception(
        "divided-by-the-premium",
        "The tokens of the other language were divided by its premium. It takes more tokens, not "
        "fewer: multiply.",
        LINK,
    ),
)

EXERCISE = decision(
    id="tokenization/cheaper_offer",
    callable="cheaper_offer",
    title="The cheaper offer",
    parts={"all": 2},
    minutes=8,
    difficulty="medium",
    link=LINK,
    draw=draw,
    misconceptions=MISCONCEPTIONS,
    compare=Within(factor=1.01),
)
