"""tokenization/encode_word: the bytes of a word, merged by rank."""

from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import (
    fresh_letters,
    pieces,
    random_text,
    random_word,
    ranks_of,
    trained_ranks,
)

LINK = "tokenization-encode"
BYTES = "tokenization-bytes"


def cases(rng: np.random.Generator) -> list[Case]:
    """Small tables by hand, where one rule decides; then a table learned from a text."""
    text = random_text(rng, 90)
    ranks = trained_ranks(rng, text, 25, start=int(rng.integers(3, 50)))
    words = {
        "a word of the text": " " + max(text.split(), key=len),
        "a word that the text does not hold": " " + random_word(rng, "abcd", 9) + "badc",
        "a long word": random_word(rng, "abcd", 1) + "".join(rng.choice(list("abcd"), 40)),
        "characters of several bytes": "жéन",
    }
    return [
        *_by_hand(rng),
        *(_case(says, word.encode(), ranks) for says, word in words.items()),
        _case("a single byte", b"a", ranks),
        _case("a word without bytes", b"", ranks),
    ]


def _by_hand(rng) -> list[Case]:
    def drawn(says, word, joined, name="", letters="a b c d e", start=0):
        word, letters, joined = fresh_letters(rng, word, letters, joined)
        ranks = ranks_of(pieces(letters), pieces(joined), start)
        return _case(says, word.encode(), ranks, name)

    low = int(rng.integers(100, 900))
    return [
        drawn("two neighbours with a rank", "ab", "ab"),
        drawn("the same word with a table of letters alone", "ab", ""),
        drawn("a later pair of lower rank", "abc", "bc ab abc"),
        drawn("the same word, the two ranks exchanged", "abc", "ab bc abc"),
        drawn("a later pair of lower rank that ends the merging", "abcd", "bc ab cd"),
        drawn("a long token that merges by rank never reach", "abcde", "bc abc de ab cd abcd"),
        drawn("a word that is a token, but that no merges make", "abcd", "bc ab cd abcd"),
        drawn("pairs of one rank that overlap", "aaa", "aa", "overlap"),
        drawn("seven equal letters", "aaaaaaa", "aa aaaa"),
        drawn("a merge that makes a pair of lower rank", "abcab", "cab ab abc"),
        drawn("a pair that occurs twice", "aceac", "ac ace"),
        drawn("ids that begin further up", "abcab", "ab abc", "further up", start=low),
        drawn("a byte without a rank between two that could merge", "axb", "ab"),
        drawn("a byte without a rank at the end", "abx", "ab"),
        drawn("a word whose bytes have no ranks", "xyz", "ab"),
    ]


def _case(says, word, ranks, name="") -> Case:
    return Case(says, {"word": word, "ranks": ranks}, name=name)


# --- right in other ways ---------------------------------------------------------------------


def rank_after_rank(word, ranks):
    """The lowest rank present is merged wherever it stands, from left to right."""
    parts = [bytes([byte]) for byte in word if bytes([byte]) in ranks]
    while True:
        present = {a + b for a, b in pairwise(parts)} & ranks.keys()
        if not present:
            return [ranks[part] for part in parts]
        lowest, merged = min(present, key=ranks.get), []
        for part in parts:
            done = merged and merged[-1] + part == lowest and not hasattr(merged[-1], "done")
            if done:
                merged[-1] = _Done(lowest)
            else:
                merged.append(part)
        parts = [bytes(part) for part in merged]


class _Done(bytes):
    """Merged in this round."""

    done = True


def with_a_heap(word, ranks):
    """A heap of candidates over a linked list."""
    parts = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    after = list(range(1, len(parts) + 1))
    heap = []

    def look(i):
        j = after[i]
        if j < len(parts) and parts[i] + parts[j] in ranks:
            heappush(heap, (ranks[parts[i] + parts[j]], i, j, parts[i], parts[j]))

    for i in range(len(parts)):
        look(i)
    while heap:
        _, i, j, left, right = heappop(heap)
        if parts[i] != left or after[i] != j or parts[j] != right:
            continue
        parts[i], parts[j], after[i] = left + right, None, after[j]
        look(i)
        before = [k for k in range(i) if parts[k] is not None and after[k] == i]
        for k in before:
            look(k)
    return [ranks[part] for part in parts if part is not None]


def by_recursion(word, ranks):
    """One merge, then the same with what is left."""

    def merged(parts):
        best = None
        for i in range(len(parts) - 1):
            rank = ranks.get(parts[i] + parts[i + 1])
            if rank is not None and (best is None or rank < best[0]):
                best = rank, i
        if best is None:
            return parts
        i = best[1]
        return merged((*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]))

    letters = tuple(bytes([byte]) for byte in word)
    return [ranks[part] for part in merged(tuple(p for p in letters if p in ranks))]


# --- wrong in known ways -----------------------------------------------------------------------


def longest_match(word, ranks):
    """From the left, the longest token that fits."""
    ids, i = [], 0
    while i < len(word):
        ends = [end for end in range(len(word), i, -1) if word[i:end] in ranks]
        if ends:
            ids.append(ranks[word[i : ends[0]]])
        i = ends[0] if ends else i + 1
    return ids


def one_round(word, ranks):
    """Pairs of single bytes only."""
    parts = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
    used = set()
    for _, i in sorted(found):
        if not used & {i, i + 1}:
            used |= {i, i + 1}
            parts[i], parts[i + 1] = parts[i] + parts[i + 1], b""
    return [ranks[part] for part in parts if part]


def gaps_stay(word, ranks):
    """A byte without a rank separates its neighbours."""
    parts = [word[i : i + 1] for i in range(len(word))]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not found:
            return [ranks[part] for part in parts if part in ranks]
        i = min(found)[1]
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def overlapping(word, ranks):
    """All pairs of the lowest rank at once, overlapping ones too."""
    parts = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not found:
            return [ranks[part] for part in parts]
        lowest = min(found)[0]
        starts = {i for rank, i in found if rank == lowest}
        token = parts[min(starts)] + parts[min(starts) + 1]
        parts = [
            token if i in starts else part
            for i, part in enumerate(parts)
            if i in starts or i - 1 not in starts
        ]


def _merging(word, ranks, replace):
    """By rank, with a merge of its own. (No edits: two of them together might never end.)"""
    parts = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not found:
            return [ranks[part] for part in parts]
        i = min(found)[1]
        parts = replace(parts, i, parts[i] + parts[i + 1])


def whole_word(word, ranks):
    """The whole word first."""
    if word in ranks:
        return [ranks[word]]
    return by_recursion(word, ranks)


def right_half_lost(word, ranks):
    """Only the left piece is left."""
    return _merging(word, ranks, lambda p, i, new: [*p[: i + 1], *p[i + 2 :]])


def right_half_stays(word, ranks):
    """The right piece stays behind the new one."""
    return _merging(word, ranks, lambda p, i, new: [*p[:i], new, *p[i + 1 :]])


def next_piece_lost(word, ranks):
    """Three pieces become one."""
    return _merging(word, ranks, lambda p, i, new: [*p[:i], new, *p[i + 3 :]])


def rest_lost(word, ranks):
    """Everything behind the merge is gone."""
    return _merging(word, ranks, lambda p, i, new: [*p[:i], new])


FOUND, MIN = "if left + right in ranks", "min(found)"
KEPT = "pieces = [word[i : i + 1] for i in range(len(word)) if word[i : i + 1] in ranks]"
RETURN = "return [ranks[piece] for piece in pieces]"

MISCONCEPTIONS = (
    Misconception(
        "in-the-order-of-the-text",
        "The first pair from the left that may merge is merged. Ranks decide: a pair further to "
        "the right comes first if its rank is lower.",
        LINK,
        {MIN: "found[0]"},
    ),
    Misconception(
        "longest-match",
        "From the left, the longest token that fits is taken. BPE merges in the order of the "
        "ranks, and some tokens that would fit are never reached.",
        LINK,
        answer=longest_match,
    ),
    Misconception(
        "highest-rank-first",
        "The pair of the highest rank is merged first. A low rank was learned early, and comes "
        "first.",
        LINK,
        {MIN: "max(found)"},
    ),
    Misconception(
        "whole-word-at-once",
        "A word that is a token as a whole is taken at once, though no merges lead to it. In most "
        "learned tables that is only a faster way to the same id; here the merges alone decide.",
        LINK,
        answer=whole_word,
    ),
    Misconception(
        "rightmost-first",
        "Of several pairs with the same rank the rightmost is merged first. It is the leftmost.",
        LINK,
        {MIN: "min(found, key=lambda entry: (entry[0], -entry[1]))"},
    ),
    Misconception(
        "one-round-only",
        "Only single bytes are merged, once. A merged piece may merge again with its neighbours: "
        "go on until nothing has a rank.",
        LINK,
        answer=one_round,
    ),
    Misconception(
        "one-merge-only",
        "One merge is made, and no more. Go on until no neighbours have a rank.",
        LINK,
        {
            "pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]": "pieces[i : i + 2] = [pieces[i] + "
            "pieces[i + 1]]\n        return [ranks[piece] for piece in pieces]",
            f"            {RETURN}": "            return [ranks[piece] for piece in list(pieces)]",
        },
    ),
    Misconception(
        "overlapping-pairs",
        "Pairs that overlap are all merged, so that bytes come twice. What has become part of one "
        "piece is no longer there for another.",
        LINK,
        answer=overlapping,
    ),
    Misconception(
        "a-missing-byte-separates",
        "A byte without a rank keeps its neighbours apart. It is left out beforehand, so that they "
        "stand side by side and may merge.",
        BYTES,
        answer=gaps_stay,
    ),
    Misconception(
        "a-missing-byte-is-an-error",
        "A byte without a rank stops everything. Real tables lack a few, SmolLM2's 21: such bytes "
        "are left out.",
        BYTES,
        {KEPT: "pieces = [word[i : i + 1] for i in range(len(word))]"},
    ),
    Misconception(
        "pieces-and-no-ids",
        "These are the pieces as bytes. A model reads their ids.",
        LINK,
        {RETURN: "return pieces"},
    ),
    Misconception(
        "ids-counted-from-0",
        "The ids are places in a sorted list of the tokens. The id of a token is what the table "
        "gives for it, wherever it begins to count.",
        LINK,
        {RETURN: "return [sorted(ranks.values()).index(ranks[piece]) for piece in pieces]"},
    ),
    Misconception(
        "never-merged",
        "These are the ids of single bytes: nothing has been merged.",
        LINK,
        {FOUND: "if left + right in ranks and not ranks"},
    ),
    Misconception(
        "an-id-for-every-piece-ever-made",
        "Only some of the pieces are there: each id stands once. Ids come in the order of the "
        "word, one for each piece.",
        LINK,
        {RETURN: "return list(dict.fromkeys(ranks[piece] for piece in pieces))"},
    ),
    Misconception(
        "right-half-lost",
        "Where two pieces merge, only the left one is left: the bytes of the right one are gone.",
        LINK,
        answer=right_half_lost,
    ),
    Misconception(
        "right-half-stays",
        "Where two pieces merge, the right one stays behind the new piece, so that its bytes come "
        "twice. The new piece takes the place of both.",
        LINK,
        answer=right_half_stays,
    ),
    Misconception(
        "next-piece-lost",
        "A merge takes the piece behind it away as well. It takes the place of two pieces.",
        LINK,
        answer=next_piece_lost,
    ),
    Misconception(
        "rest-of-the-word-lost",
        "Everything behind the first merge is gone. It takes the place of two pieces; the others "
        "stay.",
        LINK,
        answer=rest_lost,
    ),
    Misconception(
        "last-byte-lost",
        "The last byte of the word is left out.",
        LINK,
        {KEPT: KEPT.replace("range(len(word))", "range(len(word) - 1)")},
    ),
    Misconception(
        "numbers-and-no-bytes",
        "The pieces begin as numbers, which a table of bytes does not hold. In Python `list(word)` "
        "and `word[i]` give numbers; `word[i : i + 1]` is one byte.",
        BYTES,
        {KEPT: "pieces = list(word)"},
    ),
    Misconception(
        "byte-values-as-ids",
        "Single bytes have got their own number as an id. Their ids are those of the table, like "
        "all others.",
        BYTES,
        {RETURN: "return [p[0] if len(p) == 1 else ranks[p] for p in pieces]"},
    ),
)


def ids_of_the_table(ids) -> bool:
    """The table begins at 100 or above."""
    return min(ids) >= 100


def a_run_of_three(overlap) -> bool:
    """Two tokens, the merged one first."""
    return len(overlap) == 2 and overlap[0] > overlap[1]


EXERCISE = Exercise(
    id="tokenization/encode_word",
    callable="encode_word",
    title="Merge by rank",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(rank_after_rank, with_a_heap, by_recursion),
    properties=(
        Property(
            "ids-of-the-table",
            "In one table the ids begin at 100 or above; yours go below that.",
            LINK,
            ("further up",),
            ids_of_the_table,
        ),
        Property(
            "the-leftmost-of-three",
            "Three equal letters, whose pairs have one rank, should give the token of the pair and "
            "then a letter; yours give something else.",
            LINK,
            ("overlap",),
            a_run_of_three,
        ),
    ),
)
