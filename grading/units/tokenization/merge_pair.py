"""tokenization/merge_pair: every occurrence of a pair becomes one piece."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import fresh_letters, pieces

LINK = "tokenization-bpe"


def cases(rng: np.random.Generator) -> list[Case]:
    """Where the pair stands, how often, runs of one letter, ids, look-alikes, nothing."""
    a, b, x = fresh_letters(rng, "a", "b", "x")
    one, two, new = rng.choice(900, size=3, replace=False).tolist()
    random = rng.choice([a, b], size=23).tolist()
    return [
        _case("a pair in the middle", f"{x} {a} {b} {x}", a, b),
        _case("a pair at the beginning", f"{a} {b} {x} {x}", a, b),
        _case("a pair at the end", f"{x} {x} {a} {b}", a, b),
        _case("nothing but the pair", f"{a} {b}", a, b),
        _case("the pair three times", f"{a} {b} {x} {a} {b} {a} {b}", a, b),
        _case("three equal letters", f"{a} {a} {a}", a, a, "three"),
        _case("three equal letters and another one", f"{a} {a} {a} {x}", a, a),
        _case("six equal letters", " ".join(a * 6), a, a),
        _case("the pair the other way round", f"{b} {a} {x} {b} {a}", a, b),
        _case("each half alone", f"{a} {x} {b} {a} {a} {b} {b}", a, b),
        _case("pieces that only join to the same bytes", f"{a}{b} {x} {a} {b}{x}", f"{a}{b}", x),
        _case("23 random letters", " ".join(random), a, b, "random"),
        _case("one piece", a, a, b),
        _case("no pieces", "", a, b),
        _ids("ids", [two, one, two, one, one, two], (one, two), new),
        _ids("a merged id that could merge again", [one, two, two, two], (one, two), one),
    ]


def _case(says, text, left, right, name="") -> Case:
    pair = (left.encode(), right.encode())
    return Case(says, {"pieces": pieces(text), "pair": pair, "merged": b"".join(pair)}, name=name)


def _ids(says, ids, pair, merged) -> Case:
    return Case(says, {"pieces": ids, "pair": pair, "merged": merged})


# --- right in other ways ---------------------------------------------------------------------


def with_the_last_result(pieces, pair, merged):
    """Look back: does the new piece complete a pair that may still merge?"""
    result, open_ = [], False
    for piece in pieces:
        if open_ and piece == pair[1]:
            result[-1], open_ = merged, False
        else:
            result.append(piece)
            open_ = piece == pair[0]
    return result


def with_an_iterator(pieces, pair, merged):
    """Positions where a merge begins, then a pass that skips what was swallowed."""
    starts, i = set(), 0
    while i < len(pieces) - 1:
        if (pieces[i], pieces[i + 1]) == tuple(pair):
            starts.add(i)
            i += 1
        i += 1
    swallowed = {start + 1 for start in starts}
    kept = (i for i in range(len(pieces)) if i not in swallowed)
    return [merged if i in starts else pieces[i] for i in kept]


def on_a_copy(pieces, pair, merged):
    """Cut two out of a copy and put one in."""
    copy, i = list(pieces), 0
    while i + 1 < len(copy):
        if copy[i : i + 2] == [pair[0], pair[1]]:
            copy[i : i + 2] = [merged]
        i += 1
    return copy


# --- wrong in known ways -----------------------------------------------------------------------


def from_the_right(pieces, pair, merged):
    """Right to left."""
    turned = on_a_copy(list(pieces)[::-1], (pair[1], pair[0]), merged)
    return turned[::-1]


def again_and_again(pieces, pair, merged):
    """Until nothing merges any more."""
    copy, i = list(pieces), 0
    while i + 1 < len(copy):
        if copy[i : i + 2] == [pair[0], pair[1]]:
            copy[i : i + 2] = [merged]
            i = 0
        else:
            i += 1
    return copy


def overlapping(pieces, pair, merged):
    """A loop over all places: what was the right half of a merge begins another one."""
    result = []
    for i, piece in enumerate(pieces):
        if tuple(pieces[i : i + 2]) == tuple(pair):
            result.append(merged)
        elif i == 0 or (pieces[i - 1], piece) != tuple(pair):
            result.append(piece)
    return result


def in_place(pieces, pair, merged):
    """The caller's own list."""
    i = 0
    while i + 1 < len(pieces):
        if pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            pieces[i : i + 2] = [merged]
        i += 1
    return pieces


FOUND = "pieces[i] == pair[0] and pieces[i + 1] == pair[1]"
RETURN, WHILE, TWO = "return result", "while i < len(pieces)", "i += 2"

MISCONCEPTIONS = (
    Misconception(
        "from-right-to-left",
        "Pairs are merged from the right. In aaa the first two become one, and the last stays: "
        "text is read from the left.",
        LINK,
        answer=from_the_right,
    ),
    Misconception(
        "first-one-only",
        "Only the first occurrence of the pair is merged. All of them are: the merge holds for the "
        "whole text.",
        LINK,
        {TWO: "return [*result, *pieces[i + 2 :]]"},
    ),
    Misconception(
        "second-piece-stays",
        "After a merge the right half is still there, or is used for a second merge. A merge "
        "takes up two pieces: go on behind both.",
        LINK,
        {TWO: "i += 1"},
    ),
    Misconception(
        "overlapping-pairs",
        "Pairs that overlap are all merged, so that aaa becomes aa, aa. The right half of a merge "
        "is used up: it begins no other one.",
        LINK,
        answer=overlapping,
    ),
    Misconception(
        "merged-not-used",
        "The two halves are joined or added, and `merged` is not used. Where the pieces are ids, "
        "the sum of two ids is the id of another token.",
        LINK,
        {"result.append(merged)": "result.append(pair[0] + pair[1])"},
    ),
    Misconception(
        "one-piece-lost",
        "Behind each merge a piece is missing: it takes up two pieces, not three.",
        LINK,
        {TWO: "i += 3"},
    ),
    Misconception(
        "either-order",
        "The pair is merged the other way round too. (a, b) and (b, a) are two different pairs.",
        LINK,
        {FOUND: "{pieces[i], pieces[i + 1]} == {*pair}"},
    ),
    Misconception(
        "left-half-suffices",
        "A piece is merged with whatever follows it. Both halves have to be those of the pair.",
        LINK,
        {FOUND: "pieces[i] == pair[0]"},
    ),
    Misconception(
        "right-half-suffices",
        "A piece is merged with whatever stands before it. Both halves have to be those of the "
        "pair.",
        LINK,
        {FOUND: "pieces[i + 1] == pair[1]"},
    ),
    Misconception(
        "joined-bytes-compared",
        "Two pieces merge because they join to the right bytes, though they are other pieces: (a, "
        "bc) is not (ab, c).",
        LINK,
        {FOUND: "pieces[i] + pieces[i + 1] == pair[0] + pair[1]"},
    ),
    Misconception(
        "pair-at-the-end-missed",
        "A pair at the very end is not merged: its left half is the last piece but one.",
        LINK,
        {"i + 1 < len(pieces)": "i + 2 < len(pieces)"},
    ),
    Misconception(
        "last-piece-lost",
        "The last piece is missing where it is not part of a merge: it has no right neighbour, but "
        "it stays.",
        LINK,
        {WHILE: "while i + 1 < len(pieces)"},
    ),
    Misconception(
        "merged-again",
        "A merged piece is merged once more within the same step. What was merged is left alone "
        "until the next one.",
        LINK,
        answer=again_and_again,
    ),
    Misconception(
        "changed-in-place",
        "The list that was handed in has changed. Its owner may still need it: make a new one.",
        LINK,
        answer=in_place,
    ),
    Misconception(
        "pair-kept-as-two-in-one",
        "The pair itself stands in the list, as a tuple. In its place belongs `merged`.",
        LINK,
        {"result.append(merged)": "result.append(pair)"},
    ),
    Misconception(
        "others-left-out",
        "Only merged pieces are returned. All others stay where they were.",
        LINK,
        {RETURN: "return [piece for piece in result if piece == merged]"},
    ),
    Misconception(
        "never-merged",
        "Nothing is merged: the pieces come back as they were. Compare each piece with the left "
        "half of the pair, and its right neighbour with the right half.",
        LINK,
        {FOUND: "pieces[i] == pair"},
    ),
    Misconception(
        "right-half-compared-twice",
        "Both pieces are compared with the right half of the pair. The left piece has to be the "
        "left half.",
        LINK,
        {FOUND: "pieces[i] == pair[1] and pieces[i + 1] == pair[1]"},
    ),
    Misconception(
        "left-half-compared-twice",
        "Both pieces are compared with the left half of the pair. The right piece has to be the "
        "right half.",
        LINK,
        {FOUND: "pieces[i] == pair[0] and pieces[i + 1] == pair[0]"},
    ),
    Misconception(
        "all-but-the-pair",
        "Just those neighbours are merged that are not the pair, and the pair is not.",
        LINK,
        {FOUND: f"not ({FOUND})"},
    ),
    Misconception(
        "halves-on-the-wrong-side",
        "Merged is where the right half stands to the left of the left one. A pair is (left, "
        "right), in the order of the text.",
        LINK,
        {FOUND: "pieces[i] == pair[1] and pieces[i + 1] == pair[0]"},
    ),
    Misconception(
        "joined-and-compared-with-merged",
        "Two pieces merge because joined they are `merged`. So may others be: (a, bc) and (ab, c). "
        "Compare them with the two halves of the pair.",
        LINK,
        {FOUND: "pieces[i] + pieces[i + 1] == merged"},
    ),
    Misconception(
        "one-half-suffices",
        "Two neighbours merge where only one of them fits. Both halves have to.",
        LINK,
        {FOUND: "pieces[i] == pair[0] or pieces[i + 1] == pair[1]"},
    ),
)


def a_run_of_three(three) -> bool:
    """Two pieces, the longer one first."""
    return len(three) == 2 and len(three[0]) > len(three[1])


EXERCISE = Exercise(
    id="tokenization/merge_pair",
    callable="merge_pair",
    title="Merge a pair",
    parts={"all": 2},
    minutes=8,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`pair[-1]` for `pair[1]`": "a pair has two halves: its last is its second",
    },
    alternatives=(with_the_last_result, with_an_iterator, on_a_copy),
    properties=(
        Property(
            "three-letters-make-two-pieces",
            "Three equal letters, merged in pairs, should give the merged piece and then one "
            "letter; yours give something else.",
            LINK,
            ("three",),
            a_run_of_three,
        ),
    ),
)
