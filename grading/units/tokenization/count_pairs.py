"""tokenization/count_pairs: how often two pieces stand side by side."""

from collections import Counter, defaultdict
from itertools import combinations

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import LETTERS, fresh_letters, pieces, random_word

LINK = "tokenization-bpe"


def cases(rng: np.random.Generator) -> list[Case]:
    """One word, several, repeated letters, longer pieces, ids; no pair; nothing."""
    drawn = [
        (pieces(" ".join(random_word(rng, "abcd", 9))), int(n)) for n in rng.integers(2, 50, 7)
    ]
    word, other, same = fresh_letters(rng, "b a c", "c b a", "a a a a")
    times, more = int(rng.integers(3, 9)), int(rng.integers(11, 19))
    ids = rng.choice(900, size=4, replace=False).tolist()
    return [
        _case("one word that occurs once", [(pieces(word), 1)], "once"),
        _case(f"the same word {times} times", [(pieces(word), times)], "often"),
        _case("two words with no pair in common", [(pieces(word), times), (pieces(other), more)]),
        _case("the same two words the other way round", _two(word, other, times, more)),
        _case("a pair that stands in two words", [(pieces(word), 2), (pieces(word + " b"), 3)]),
        _case("four equal letters", [(pieces(same), 1)], "run"),
        _case("a pair and its reverse in one word", [(pieces("x y x y"), times)]),
        _case("pieces of several bytes", [(pieces("th e th er e"), times)]),
        _case("pieces that join to the same bytes", [(pieces("ab c a bc"), 1)]),
        _case("pieces that are ids", [([ids[0], ids[1], ids[2], ids[3], ids[0]], times)]),
        _case("seven random words", drawn, "random"),
        _case("words of one piece", [(pieces("a"), times), (pieces("b"), more)]),
        _case("a word without pieces", [([], times), (pieces("p q"), 1)]),
        _case("no words", []),
        _case("a word of letters", [(pieces(" ".join(random_word(rng, LETTERS, 5) + "q")), 5)]),
    ]


def _two(word, other, times, more):
    return [(pieces(other), more), (pieces(word), times)]


def _case(says, words, name="") -> Case:
    return Case(says, {"words": words}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def by_index(words):
    """A plain dictionary and positions."""
    counts = {}
    for pieces_, count in words:
        for i in range(1, len(pieces_)):
            pair = (pieces_[i - 1], pieces_[i])
            counts[pair] = counts.get(pair, 0) + count
    return counts


def word_by_word(words):
    """The pairs of each word counted once, then multiplied."""
    total = defaultdict(int)
    for pieces_, count in words:
        for pair, times in Counter(zip(pieces_, pieces_[1:], strict=False)).items():
            total[pair] += times * count
    return dict(total)


def written_out(words):
    """Every pair as often as its word occurs, in one long list."""
    return Counter(
        (left, right)
        for pieces_, count in words
        for left, right in zip(pieces_[:-1], pieces_[1:], strict=True)
        for _ in range(count)
    )


# --- wrong in known ways -----------------------------------------------------------------------


def without_overlap(words):
    """A pair that overlaps the one before is passed over."""
    counts = Counter()
    for pieces_, count in words:
        i = 0
        while i + 1 < len(pieces_):
            pair = (pieces_[i], pieces_[i + 1])
            counts[pair] += count
            i += 2 if pieces_[i + 2 : i + 3] == [pair[1]] and pair[0] == pair[1] else 1
    return counts


def across_words(words):
    """One long row of pieces; each pair counts as its first word does."""
    row = [(piece, count) for pieces_, count in words for piece in pieces_]
    counts = Counter()
    for (left, count), (right, _) in zip(row, row[1:], strict=False):
        counts[left, right] += count
    return counts


def all_in_one_row(words):
    """Every word as often as it occurs, one behind the other."""
    row = [piece for pieces_, count in words for _ in range(count) for piece in pieces_]
    return Counter(zip(row, row[1:], strict=False))


def any_distance(words):
    """All pairs of pieces of a word."""
    counts = Counter()
    for pieces_, count in words:
        for pair in combinations(pieces_, 2):
            counts[pair] += count
    return counts


def single_pieces(words):
    """How often each piece occurs."""
    counts = Counter()
    for pieces_, count in words:
        for piece in pieces_:
            counts[piece] += count
    return counts


PAIRS, ADD = "pairwise(pieces)", "counts[pair] += count"

MISCONCEPTIONS = (
    Misconception(
        "frequency-ignored",
        "Each word counts once here. It stands in the list once, but its pairs count as often as "
        "it occurs in the text.",
        LINK,
        {ADD: "counts[pair] += 1"},
    ),
    Misconception(
        "once-in-a-word",
        "A pair that stands in a word twice counts only once for it: a set forgets how often.",
        LINK,
        {PAIRS: "set(pairwise(pieces))"},
    ),
    Misconception(
        "last-word-counts",
        "Where a pair comes again, its count is replaced instead of added to.",
        LINK,
        {ADD: "counts[pair] = count"},
    ),
    Misconception(
        "pairs-do-not-overlap",
        "In a run of one letter some pairs are passed over. For counting, aaa holds the pair (a, "
        "a) twice; only merging has to choose.",
        LINK,
        answer=without_overlap,
    ),
    Misconception(
        "every-second-pair",
        "Only every second pair is counted. A new pair begins at every piece but the last.",
        LINK,
        {PAIRS: "list(pairwise(pieces))[::2]"},
    ),
    Misconception(
        "across-words",
        "The last piece of a word and the first of the next are counted as a pair. Words stand in "
        "no order here, and merges never cross their edge.",
        "tokenization-words",
        answer=across_words,
    ),
    Misconception(
        "all-words-in-one-row",
        "The words are written one behind the other, each as often as it occurs, and pairs across "
        "their edges are counted too. A pair lies within one word.",
        "tokenization-words",
        answer=all_in_one_row,
    ),
    Misconception(
        "order-lost",
        "A pair and its reverse are counted as one. In tokens the order matters: ab is not ba.",
        LINK,
        {ADD: "counts[tuple(sorted(pair))] += count"},
    ),
    Misconception(
        "reversed-pairs",
        "The pairs are turned round: the right piece stands first. A pair is (left, right).",
        LINK,
        {ADD: "counts[pair[::-1]] += count"},
    ),
    Misconception(
        "joined-keys",
        "The keys are joined pieces. (ab, c) and (a, bc) then look alike, and a merge does not "
        "know which two pieces it was. The keys are pairs.",
        LINK,
        {ADD: "counts[pair[0] + pair[1]] += count"},
    ),
    Misconception(
        "last-pair-missed",
        "The last pair of each word is not counted: it begins at the last piece but one.",
        LINK,
        {PAIRS: "pairwise(pieces[:-1])"},
    ),
    Misconception(
        "first-pair-missed",
        "The first pair of each word is not counted: positions start at 0.",
        LINK,
        {PAIRS: "pairwise(pieces[1:])"},
    ),
    Misconception(
        "any-distance",
        "Pieces that do not touch are counted as pairs too. Only neighbours can be merged.",
        LINK,
        answer=any_distance,
    ),
    Misconception(
        "single-pieces",
        "This counts single pieces. What is merged are two neighbours, so pairs are counted.",
        LINK,
        answer=single_pieces,
    ),
    Misconception(
        "shares-and-no-counts",
        "These are shares of the total. Counts are wanted: whole numbers.",
        LINK,
        {"return counts": "return {p: n / sum(counts.values()) for p, n in counts.items()}"},
    ),
    Misconception(
        "first-word-only",
        "Only the pairs of the first word are counted: the `return` stands inside the loop over "
        "the words.",
        LINK,
        {"    return counts": "        return counts\n    return Counter()"},
    ),
)


def once_and_often(once, often) -> bool:
    """The same pairs, each as many times more often."""
    factors = {often[pair] / once[pair] for pair in once if pair in often}
    return once.keys() == often.keys() and len(factors) == 1 and factors != {1}


def a_run_of_four(run) -> bool:
    """Three pairs in all."""
    return sum(run.values()) == 3


EXERCISE = Exercise(
    id="tokenization/count_pairs",
    callable="count_pairs",
    title="Count neighbouring pieces",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(by_index, word_by_word, written_out),
    properties=(
        Property(
            "a-word-counts-as-often-as-it-occurs",
            "The same word, once and several times: the counts should grow with it, and those of "
            "yours do not.",
            LINK,
            ("once", "often"),
            once_and_often,
        ),
        Property(
            "three-pairs-in-four-letters",
            "A word of four equal letters has three pairs of neighbours; your counts add up to "
            "another number.",
            LINK,
            ("run",),
            a_run_of_four,
        ),
    ),
)
