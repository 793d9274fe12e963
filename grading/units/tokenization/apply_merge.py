"""tokenization/apply_merge: one merge, in the words that it concerns alone."""

from collections import Counter
from itertools import pairwise

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization import drive
from grading.units.tokenization.draw import fresh_letters, pieces, random_word
from reference_impl.tokenization.bpe_training import count_pairs, merge_pair

LINK = "tokenization-faster"


def cases(rng: np.random.Generator) -> list[Case]:
    """Where the pair stands in its word, how often, in how many words; pieces that overlap."""

    def drawn(says, *words, name=""):
        words = fresh_letters(rng, *words)
        counts = rng.choice(range(2, 40), size=len(words), replace=False).tolist()
        left, right = words[0].split()[0], words[0].split()[1]
        return _case(says, [pieces(word) for word in words[1:]], counts[1:], left, right, name)

    many = [pieces(" ".join(random_word(rng, "abc", 8))) for _ in range(23)]
    counts = rng.integers(1, 30, size=23).tolist()
    return [
        drawn("a word that is the pair", "a b", "a b"),
        drawn("a pair with a neighbour on each side", "a b", "x a b y"),
        drawn("a pair at the beginning of its word", "a b", "a b y z"),
        drawn("a pair at the end of its word", "a b", "y x a b"),
        drawn("two words, one of them without the pair", "a b", "x a b", "x y z"),
        drawn("a neighbouring pair that other words hold too", "a b", "x a b", "x a y"),
        drawn("a pair that occurs twice in a word", "a b", "a b x a b"),
        drawn("the pair twice in a row", "a b", "a b a b x"),
        drawn("a neighbouring pair that occurs again in the word", "a b", "x a b x a y"),
        drawn("three equal letters", "a a", "a a a"),
        drawn("five equal letters and others", "a a", "x a a a a a y", "a a y"),
        drawn("the pair the other way round", "a b", "b a b a", "b a"),
        drawn("pieces of several bytes", "ab c", "ab c ab c d", "a b c d"),
        drawn("a pair that no word holds", "a b", "x y", "b a"),
        _case("23 random words", many, counts, "a", "b", "random"),
        _case("the same words and another pair", many, counts, "a", "a"),
        _case("no words", [], [], "a", "b"),
    ]


def _case(says, words, counts, left, right, name="") -> Case:
    words_with: dict[tuple[bytes, bytes], set[int]] = {}
    for i, word in enumerate(words):
        for pair in pairwise(word):
            words_with.setdefault(pair, set()).add(i)
    here = (left.encode(), right.encode())
    words_with.setdefault(here, set())  # no word may hold the pair any more
    inputs = {
        "words": words,
        "word_counts": counts,
        "pair_counts": {here: 0, **count_pairs(zip(words, counts, strict=True))},
        "words_with": words_with,
        "pair": here,
    }
    return Case(says, inputs, name=name)


# --- right in other ways ---------------------------------------------------------------------


def by_differences(words, word_counts, pair_counts, words_with, pair):
    """Counts before and after as two bags, of which the difference is added."""
    for i in tuple(words_with.pop(pair, set())):
        before = Counter(pairwise(words[i]))
        words[i] = merge_pair(words[i], pair, b"".join(pair))
        after = Counter(pairwise(words[i]))
        for changed in before.keys() | after.keys():
            pair_counts[changed] += (after[changed] - before[changed]) * word_counts[i]
            if changed in after:
                words_with.setdefault(changed, set()).add(i)
            elif changed in words_with:
                words_with[changed].discard(i)


def take_out_put_in(words, word_counts, pair_counts, words_with, pair):
    """Words are taken out of the books, merged, and entered again."""

    def enter(i, sign):
        for left, right in zip(words[i], words[i][1:], strict=False):
            pair_counts[left, right] = pair_counts.get((left, right), 0) + sign * word_counts[i]
            holders = words_with.setdefault((left, right), set())
            holders.add(i) if sign > 0 else holders.discard(i)

    for i in sorted(words_with.get(pair, [])):
        enter(i, -1)
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
        enter(i, +1)


def one_entry_at_a_time(words, word_counts, pair_counts, words_with, pair):
    """Merged piece by piece, cleaned of zeros and empty sets at the end."""
    for i in list(words_with.get(pair, ())):
        old, new, times = words[i], [], word_counts[i]
        j = 0
        while j < len(old):
            here = tuple(old[j : j + 2]) == tuple(pair)
            new.append(old[j] + old[j + 1] if here else old[j])
            j += 2 if here else 1
        for gone in pairwise(old):
            pair_counts.subtract({gone: times})
        for come in pairwise(new):
            pair_counts.update({come: times})
        for gone in set(pairwise(old)) - set(pairwise(new)):
            words_with[gone].remove(i)
        for come in set(pairwise(new)) - set(pairwise(old)):
            words_with[come] = words_with.get(come, set()) | {i}
        words[i] = new
    for dead in [key for key, count in pair_counts.items() if count == 0]:
        del pair_counts[dead]


def by_neighbours(words, word_counts, pair_counts, words_with, pair):
    """The neighbours of each merge alone, from left to right."""
    _around(words, word_counts, pair_counts, words_with, pair, lambda old, new, j: new)


def _around(words, word_counts, pair_counts, words_with, pair, on_the_left):
    joined = pair[0] + pair[1]
    for i in list(words_with.get(pair, ())):
        old, new, j = words[i], [], 0
        while j < len(old):
            if tuple(old[j : j + 2]) != tuple(pair):
                new.append(old[j])
                j += 1
                continue
            left, right = on_the_left(old, new, j)[-1:], old[j + 2 : j + 3]
            for gone in (pair, *pairwise([*left, pair[0]]), *pairwise([pair[1], *right])):
                pair_counts[gone] -= word_counts[i]
            for come in pairwise([*left, joined, *right]):
                pair_counts[come] += word_counts[i]
            new.append(joined)
            j += 2
        for before in pairwise(old):
            words_with[before].discard(i)
        words[i] = new
        for after in pairwise(new):
            words_with.setdefault(after, set()).add(i)


# --- wrong in known ways -----------------------------------------------------------------------


def only_the_pair_itself(words, word_counts, pair_counts, words_with, pair):
    """The merged pair goes; its neighbours are forgotten."""
    for i in list(words_with.pop(pair, ())):
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
    pair_counts.pop(pair, None)


def every_word(words, word_counts, pair_counts, words_with, pair):
    """All made anew from all words."""
    for i in range(len(words)):
        words[i] = merge_pair(words[i], pair, pair[0] + pair[1])
    pair_counts.clear()
    pair_counts.update(count_pairs(zip(words, word_counts, strict=True)))
    words_with.clear()
    for i, word in enumerate(words):
        for found in pairwise(word):
            words_with.setdefault(found, set()).add(i)


def neighbours_dropped(words, word_counts, pair_counts, words_with, pair):
    """The neighbouring pairs leave the index, though they occur again in the word."""
    for i in list(words_with.get(pair, ())):
        old = words[i]
        words[i] = merge_pair(old, pair, pair[0] + pair[1])
        for before in pairwise(old):
            pair_counts[before] -= word_counts[i]
        for after in pairwise(words[i]):
            pair_counts[after] += word_counts[i]
        for j, found in enumerate(pairwise(old)):
            if found == pair:
                for k in (j - 1, j, j + 1):
                    if 0 <= k < len(old) - 1:
                        words_with[old[k], old[k + 1]].discard(i)
        for after in pairwise(words[i]):
            if pair[0] + pair[1] in after:
                words_with.setdefault(after, set()).add(i)


def overlaps_subtracted(words, word_counts, pair_counts, words_with, pair):
    """Neighbours of every occurrence, overlapping ones too."""
    for i in list(words_with.get(pair, ())):
        old = words[i]
        words[i] = merge_pair(old, pair, pair[0] + pair[1])
        for j, found in enumerate(pairwise(old)):
            if found == pair:
                for k in (j - 1, j, j + 1):
                    if 0 <= k < len(old) - 1:
                        pair_counts[old[k], old[k + 1]] -= word_counts[i]
        for after in pairwise(words[i]):
            if pair[0] + pair[1] in after:
                pair_counts[after] += word_counts[i]
        for before in pairwise(old):
            words_with[before].discard(i)
        for after in pairwise(words[i]):
            words_with.setdefault(after, set()).add(i)


def taken_for_unmerged(words, word_counts, pair_counts, words_with, pair):
    """The piece on the left as it was, though it may just have been merged."""
    _around(words, word_counts, pair_counts, words_with, pair, lambda old, new, j: old[:j])


MINUS, PLUS = "pair_counts[before] -= word_counts[i]", "pair_counts[after] += word_counts[i]"
DISCARD = "words_with[before].discard(i)"
ADD = "words_with.setdefault(after, set()).add(i)"
EACH = "for i in list(words_with.get(pair, ())):"
MERGE = "words[i] = merge_pair(words[i], pair, pair[0] + pair[1])"

MISCONCEPTIONS = (
    Misconception(
        "only-the-pair-itself",
        "The merged pair has left the books, and nothing else has changed. Its neighbours stood "
        "beside its halves; now they stand beside the merged piece, in other pairs.",
        LINK,
        answer=only_the_pair_itself,
    ),
    Misconception(
        "old-pairs-stay",
        "Pairs that the merge has taken apart still have their old counts. Subtract those of the "
        "word as it was, then add those of the word as it is.",
        LINK,
        {MINUS: "pass"},
    ),
    Misconception(
        "new-pairs-missing",
        "The pairs with the merged piece have no counts. They are what may be merged next.",
        LINK,
        {PLUS: "pass"},
    ),
    Misconception(
        "frequency-ignored",
        "The counts change by 1 for a word. They change by as much as the word occurs.",
        LINK,
        {MINUS: "pair_counts[before] -= 1", PLUS: "pair_counts[after] += 1"},
    ),
    Misconception(
        "index-keeps-old-words",
        "The index still names words that no longer hold a pair. Later merges would look at them "
        "in vain: take each word out of the sets of its old pairs.",
        LINK,
        {DISCARD: "pass"},
    ),
    Misconception(
        "nothing-taken-out",
        "The words are entered anew under their pairs, but were never taken out under the old "
        "ones: only the merged pair itself is cleared. Its neighbours are still counted, and pairs "
        "that stayed count twice.",
        LINK,
        {
            MINUS: "pass",
            DISCARD: "pass",
            ADD: f"{ADD}\n    pair_counts[pair], words_with[pair] = 0, set()",
        },
    ),
    Misconception(
        "index-keeps-neighbours",
        "The index no longer names words for the merged pair, but still for the pairs beside it "
        "that the merge has taken apart: take each word out of the sets of all its old pairs.",
        LINK,
        {DISCARD: "pass", ADD: f"{ADD}\n    words_with[pair] = set()"},
    ),
    Misconception(
        "index-lacks-new-pairs",
        "The index does not name the words of some pairs. A later merge would pass them over: "
        "enter each word under its new pairs.",
        LINK,
        {ADD: "pass"},
    ),
    Misconception(
        "index-drops-neighbours",
        "A word has left the index for a pair that it still holds at another place.",
        LINK,
        answer=neighbours_dropped,
    ),
    Misconception(
        "overlaps-subtracted",
        "In a run of one letter too much is subtracted: occurrences that overlap have neighbours "
        "in common.",
        LINK,
        answer=overlaps_subtracted,
    ),
    Misconception(
        "merges-side-by-side",
        "Where two merges stand side by side, counts are wrong: the second takes the piece on its "
        "left for unmerged. Taking all pairs of the word out and entering all anew is safe.",
        LINK,
        answer=taken_for_unmerged,
    ),
    Misconception(
        "once-in-a-word",
        "A pair that stands in a word twice is taken out, or entered, only once. A set forgets how "
        "often.",
        LINK,
        {
            "for before in pairwise(words[i])": "for before in set(pairwise(words[i]))",
            "for after in pairwise(words[i])": "for after in set(pairwise(words[i]))",
        },
    ),
    Misconception(
        "every-word-read",
        "The books are right, but words that do not hold the pair were read too. Then a merge "
        "costs as much as counting anew; the index says which words to look at.",
        LINK,
        answer=every_word,
    ),
    Misconception(
        "words-not-merged",
        "The words themselves are as they were.",
        LINK,
        {
            MERGE: "word = merge_pair(words[i], pair, pair[0] + pair[1])",
            "for after in pairwise(words[i])": "for after in pairwise(word)",
        },
    ),
    Misconception(
        "one-word-only",
        "Only one of the words that hold the pair has been merged.",
        LINK,
        {EACH: "for i in list(words_with.get(pair, ()))[:1]:"},
    ),
    Misconception(
        "pair-stays-two-pieces",
        "In place of the pair stands another piece than its two halves joined.",
        LINK,
        {MERGE: "words[i] = merge_pair(words[i], pair, pair[1] + pair[0])"},
    ),
    Misconception(
        "returned-instead-of-changed",
        "Something is returned. The books are changed in place, and the function returns None.",
        LINK,
        {
            EACH: "for i in (sorted(words_with[pair]) if words_with.get(pair) else ()):",
            "        for after in pairwise(words[i]):\n            "
            + PLUS
            + "\n            "
            + ADD: "        for after in pairwise(words[i]):\n            "
            + PLUS
            + "\n            "
            + ADD
            + "\n    return words",
        },
    ),
)


def others_left_alone(books) -> bool:
    """Words without the pair are not looked at."""
    return not books["other words read"]


EXERCISE = Exercise(
    id="tokenization/apply_merge",
    callable="apply_merge",
    title="A merge without counting anew",
    parts={"all": 3},
    minutes=20,
    difficulty="hard",
    link=LINK,
    cases=cases,
    drive=drive.apply_merge,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`pair[-1]` for `pair[1]`": "a pair has two halves: its last is its second",
    },
    alternatives=(by_differences, take_out_put_in, one_entry_at_a_time, by_neighbours),
    depends=("tokenization/merge_pair",),
    properties=(
        Property(
            "other-words-are-not-read",
            "Words that do not hold the pair were read. The index says which ones do, and no other "
            "need be looked at.",
            LINK,
            ("random",),
            others_left_alone,
        ),
    ),
)
