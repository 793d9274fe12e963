"""tokenization/train_bpe_naive: the merges of a text, learned by counting anew each time."""

from collections import Counter
from itertools import pairwise

import numpy as np
import regex

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.tokenization.draw import WORDS, fresh_letters, random_text
from reference_impl.tokenization.bpe_training import count_pairs, count_words, merge_pair

LINK = "tokenization-bpe"
EDGES = "tokenization-words"
MERGES, EDGE_CASES = "merges", "sizes and special tokens"
END, START = "<|end|>", "<|start|>"


def cases(rng: np.random.Generator) -> list[Case]:
    """Ties, runs, word frequency, other scripts, sizes, special tokens; nothing to learn."""
    tie, more, prefix = fresh_letters(rng, "ab cd ef", "ab bc bc abc", "aab ab aab")
    [start] = fresh_letters(rng, "abc abc az az ab")
    run, often = fresh_letters(rng, "aaaa aaa", "ab ab ab ab cdcdcd")
    text = random_text(rng, 60)
    small, two = random_text(rng, 17), random_text(rng, 17, "ab")
    return [
        _case("pairs that occur equally often", tie, 2, name="tie"),
        _case("a tie in which the left pieces are the same", *_same_left(rng)),
        _case("a tie between a short piece and a longer one", prefix, 4),
        _case("a tie of which one left piece begins the other", start, 2, r"\p{L}+"),
        _case("words of which some come twice", more, 3),
        _case("runs of one letter", run, 5),
        _case("a frequent word and a word that repeats a pair", often, 1),
        _case("one word", small.split()[0] + "q", 3),
        _case("60 random words and 20 merges", text, 20),
        _case("the same words and 5 merges", text, 5),
        _case("a text of two letters", two, 12),
        _case("characters of several bytes", "жизнь жизни ééé नमन नमन", 9),
        _case("a pattern without spaces", f"{small} {small}", 6, r"\p{L}+"),
        _case("more merges than there are pairs", tie.split()[0], 50),
        _case("words of one letter", "x y\nz", 5, r"\w", part=EDGE_CASES),
        _case("a text without characters", "", 5, part=EDGE_CASES),
        _case("room for the bytes and nothing else", text, 0, part=EDGE_CASES),
        _case("room for one merge", text, 1, part=EDGE_CASES),
        _special("a special token between words", f"{small}{END}{small}{END}", 6, [END]),
        _special("a special token inside a word", f"abc{END}abc cab{END}c", 3, [END]),
        _special("two special tokens", f"{START}{small}{END}{START}{two}", 7, [END, START]),
        _special("room for the special tokens and nothing else", text, 0, [END, START]),
        _special("one id too few for the special tokens", text, -1, [END, START]),
        _case("one id too few for the bytes", text, -1, part=EDGE_CASES),
    ]


def _same_left(rng) -> tuple[str, int]:
    [text] = fresh_letters(rng, "ac ab ad")
    return text, 2


def _case(says, text, merges, pattern=WORDS, special=(), part=MERGES, name="") -> Case:
    vocab_size = 256 + len(special) + merges
    inputs = {"text": text, "vocab_size": vocab_size, "pattern": pattern}
    return Case(says, {**inputs, "special_tokens": list(special)}, part=part, name=name)


def _special(says, text, merges, special) -> Case:
    return _case(says, text, merges, special=special, part=EDGE_CASES)


# --- right in other ways ---------------------------------------------------------------------


def over_ids(text, vocab_size, pattern, special_tokens=()):
    """Words as lists of ids, a table of the bytes of each id."""
    if vocab_size < 256 + len(special_tokens):
        raise ValueError("too small")
    words = [
        (list(word.encode()), n) for word, n in count_words(text, pattern, special_tokens).items()
    ]
    tokens = [bytes([i]) for i in range(256)]
    merges = []
    while len(tokens) + len(special_tokens) < vocab_size:
        counts = count_pairs(words)
        if len(counts) == 0:
            break
        top = max(counts.values())
        tied = [pair for pair in counts if counts[pair] == top]
        left, right = max(tied, key=lambda pair: (tokens[pair[0]], tokens[pair[1]]))
        merges.append((tokens[left], tokens[right]))
        new = len(tokens)
        tokens.append(tokens[left] + tokens[right])
        words = [(merge_pair(ids, (left, right), new), n) for ids, n in words]
    return merges


def without_other_answers(text, vocab_size, pattern, special_tokens=()):
    """Everything in one function, every word of the text as often as it occurs."""
    n_merges = vocab_size - 256 - len(special_tokens)
    if n_merges < 0:
        raise ValueError(vocab_size)
    parts = [text]
    for token in special_tokens:
        parts = [piece for part in parts for piece in part.split(token)]
    words = [
        [bytes([b]) for b in w.encode()] for part in parts for w in regex.findall(pattern, part)
    ]
    merges = []
    for _ in range(n_merges):
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        merges.append(sorted(counts, key=lambda pair: (counts[pair], pair))[-1])
        words = [_joined(word, *merges[-1]) for word in words]
    return merges


def _joined(word, left, right):
    out = []
    for piece in word:
        if out and out[-1] == (left,) and piece == right:
            out[-1] = left + right
        else:
            out.append((left,) if piece == left else piece)
        if len(out) > 1 and isinstance(out[-2], tuple):
            out[-2] = out[-2][0]
    return [piece[0] if isinstance(piece, tuple) else piece for piece in out]


def recursively(text, vocab_size, pattern, special_tokens=()):
    """One merge, then the rest."""
    if vocab_size < 256 + len(special_tokens):
        raise ValueError

    def learn(words, left_over):
        counts = count_pairs(words) if left_over else {}
        if not counts:
            return []
        best = max((count, pair) for pair, count in counts.items())[1]
        merged = [(merge_pair(p, best, b"".join(best)), n) for p, n in words]
        return [best, *learn(merged, left_over - 1)]

    counted = count_words(text, pattern, special_tokens).items()
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted]
    return learn(words, vocab_size - 256 - len(special_tokens))


# --- wrong in known ways -----------------------------------------------------------------------


def counted_once(text, vocab_size, pattern, special_tokens=()):
    """The most frequent pairs of the bytes, without ever merging."""
    n_merges = vocab_size - 256 - len(special_tokens)
    if n_merges < 0:
        raise ValueError(vocab_size)
    counted = count_words(text, pattern, special_tokens).items()
    words = [([bytes([b]) for b in word.encode()], n) for word, n in counted]
    counts = count_pairs(words)
    return sorted(counts, key=lambda pair: (counts[pair], pair), reverse=True)[:n_merges]


KEY = "key=lambda pair: (counts[pair], pair)"
MORE = "len(merges) < vocab_size - least"
APPEND = "merges.append(best)"
BYTES = "[bytes([byte]) for byte in word.encode()]"
COUNTED = "(pieces[word], count) for word, count in words.items()"
WORD_COUNTS = "count_words(text, pattern, special_tokens)"
CHECK = "if vocab_size < least:"
MERGED = "pieces = {word: merge_pair(pieces[word], best, best[0] + best[1]) for word in words}"

MISCONCEPTIONS = (
    Misconception(
        "smallest-of-a-tie",
        "Where several pairs occur equally often, the smallest is merged. The rule here is the "
        "greatest, comparing the bytes of the left pieces, then those of the right ones.",
        LINK,
        {f"max(counts, {KEY})": "min(counts, key=lambda pair: (-counts[pair], pair))"},
    ),
    Misconception(
        "first-of-a-tie",
        "Where several pairs occur equally often, the one met first is merged. Then the order of "
        "the words decides; the rule here is the greatest pair.",
        LINK,
        {KEY: "key=counts.get"},
    ),
    Misconception(
        "joined-bytes-of-a-tie",
        "Ties are decided by the joined bytes. Compare the pairs as they are: the left piece "
        "first, then the right one. (ab, c) is greater than (a, z), though abc is less than az.",
        LINK,
        {KEY: "key=lambda pair: (counts[pair], pair[0] + pair[1])"},
    ),
    Misconception(
        "longest-of-a-tie",
        "Ties are decided by the length. Compare the pairs as they are: the left piece first, then "
        "the right one.",
        LINK,
        {KEY: "key=lambda pair: (counts[pair], len(pair[0] + pair[1]), pair)"},
    ),
    Misconception(
        "right-piece-of-a-tie",
        "Ties are decided by the right piece first. The left one counts before it.",
        LINK,
        {KEY: "key=lambda pair: (counts[pair], pair[::-1])"},
    ),
    Misconception(
        "rarest-pair",
        "The rarest pair is merged. A merge should shorten the text as much as it can, so the most "
        "frequent one is.",
        LINK,
        {f"max(counts, {KEY})": f"min(counts, {KEY})"},
    ),
    Misconception(
        "frequency-ignored",
        "Every different word counts once. A word that occurs a hundred times has a hundred times "
        "the say in which pair comes next.",
        EDGES,
        {COUNTED: "(pieces[word], 1) for word in words"},
    ),
    Misconception(
        "bytes-not-counted",
        "There are 256 merges too many: vocab_size counts the bytes too, which are there before "
        "the first merge.",
        LINK,
        {MORE: "len(merges) < vocab_size"},
    ),
    Misconception(
        "special-tokens-not-counted",
        "There is one merge too many for each special token: they have ids as well, and vocab_size "
        "counts them.",
        "tokenization-special",
        {MORE: "len(merges) < vocab_size - 256"},
    ),
    Misconception(
        "special-tokens-take-no-room",
        "The special tokens take up no room here, neither among the merges nor where a vocabulary "
        "is too small. They have ids as well, and vocab_size counts them.",
        "tokenization-special",
        {MORE: "len(merges) < vocab_size - 256", CHECK: "if vocab_size < 256:"},
    ),
    Misconception(
        "goes-on-without-pairs",
        "Where no pair is left, it stops with an error. Then there is nothing more to learn: give "
        "back the merges so far.",
        LINK,
        {"if not counts:": "if False:"},
    ),
    Misconception(
        "one-merge-too-many",
        "There is one merge more than there is room for.",
        LINK,
        {MORE: "len(merges) <= vocab_size - least"},
    ),
    Misconception(
        "one-merge-too-few",
        "There is room for one more merge.",
        LINK,
        {MORE: "len(merges) < vocab_size - least - 1"},
    ),
    Misconception(
        "characters-instead-of-bytes",
        "The pieces begin as characters. Then a character that the text does not hold has no "
        "token; from single bytes any text can be written.",
        "tokenization-bytes",
        {BYTES: "[character.encode() for character in word]"},
    ),
    Misconception(
        "merges-across-words",
        "The text is one long word here, so that merges cross the edges between words. Count words "
        "first, and pairs within them.",
        EDGES,
        {
            WORD_COUNTS: 'Counter("".join(regex.findall(pattern, part)) '
            "for part in split_special(text, special_tokens)[::2])"
        },
    ),
    Misconception(
        "special-tokens-not-cut-out",
        "Special tokens are learned from like ordinary text. They are cut out before, and no merge "
        "crosses them.",
        "tokenization-special",
        {WORD_COUNTS: "count_words(text, pattern)"},
    ),
    Misconception(
        "pairs-counted-once-for-all",
        "The pairs are counted once, and the most frequent ones taken. After each merge there are "
        "new pieces and new counts: (t, h) is used up when (th, e) comes.",
        LINK,
        answer=counted_once,
    ),
    Misconception(
        "joined-tokens-returned",
        "The merges are joined bytes. Two different pairs may join to the same: return the pairs.",
        LINK,
        {APPEND: "merges.append(best[0] + best[1])"},
    ),
    Misconception(
        "stops-at-pairs-that-occur-once",
        "Training ends where no pair occurs twice. Here it goes on as long as there is any pair "
        "and room for it.",
        LINK,
        {"if not counts:": "if not counts or max(counts.values()) < 2:"},
    ),
    Misconception(
        "too-small-a-vocabulary-accepted",
        "A vocabulary without room for the bytes and the special tokens gives an answer where the "
        "docstring promises a ValueError.",
        LINK,
        {CHECK: "if vocab_size < 0:"},
    ),
    Misconception(
        "no-merges-refused",
        "A vocabulary that just holds the bytes and the special tokens is refused. It is enough: "
        "there are no merges then.",
        LINK,
        {CHECK: "if vocab_size <= least:"},
    ),
    Misconception(
        "chosen-and-not-merged",
        "The same pair comes again and again: it is chosen, but the words stay as they were. Merge "
        "it in all of them before you count again.",
        LINK,
        {MERGED: "pass"},
    ),
    Misconception(
        "greatest-pair-whatever-its-count",
        "The greatest pair is merged, however rare it is. The count decides, and the bytes only "
        "where counts are equal.",
        LINK,
        {f"max(counts, {KEY})": "max(counts)"},
    ),
    Misconception(
        "longest-pair-first",
        "The longest pair is merged, or the count is only the second thing to be compared.",
        LINK,
        {KEY: "key=lambda pair: (len(pair[0] + pair[1]), counts[pair], pair)"},
    ),
    Misconception(
        "spaces-cut-off",
        "The words have lost their spaces before they were cut into bytes. A space is part of its "
        "word, and is merged like other bytes.",
        EDGES,
        {BYTES: "[bytes([byte]) for byte in word.strip().encode()]"},
    ),
    Misconception(
        "bytes-take-no-room",
        "vocab_size is taken for the number of merges, and no size is too small. It counts the 256 "
        "bytes and the special tokens too.",
        LINK,
        {MORE: "len(merges) < vocab_size", CHECK: "if vocab_size < 0:"},
    ),
    Misconception(
        "pieces-of-text",
        "The pieces are text. Begin with single bytes, so that the merges hold for any text: "
        "encode each word in UTF-8 first.",
        "tokenization-bytes",
        {BYTES: "list(word)"},
    ),
    Misconception(
        "pieces-as-numbers",
        "The pieces begin as numbers, and to join two of them adds them up. A piece is a bytes "
        "object, at first of one byte: `bytes([number])`.",
        "tokenization-bytes",
        {BYTES: "list(word.encode())"},
    ),
    Misconception(
        "bytes-of-a-number",
        "The pieces are rows of zero bytes: in Python `bytes(n)` makes n of them. The byte with "
        "the number n is `bytes([n])`.",
        "tokenization-bytes",
        {BYTES: "[bytes(byte) for byte in word.encode()]"},
    ),
    Misconception(
        "halves-joined-the-wrong-way",
        "The new piece has its halves in the wrong order: the left one comes first.",
        LINK,
        {MERGED: MERGED.replace("best[0] + best[1]", "best[1] + best[0]")},
    ),
)


def greatest_first(tie) -> bool:
    """Of equally frequent pairs the greatest comes first, then the next."""
    return tie[0] > tie[1]


EXERCISE = Exercise(
    id="tokenization/train_bpe_naive",
    callable="train_bpe_naive",
    title="Learn the merges",
    parts={MERGES: 3, EDGE_CASES: 1},
    minutes=15,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={
        "`best[-1]` for `best[1]`": "a pair has two halves: its last is its second",
    },
    alternatives=(over_ids, without_other_answers, recursively),
    depends=(
        "tokenization/count_pairs",
        "tokenization/merge_pair",
        "tokenization/split_special",
        "tokenization/count_words",
    ),
    properties=(
        Property(
            "the-greatest-of-a-tie-first",
            "In a text of three words all pairs occur once, so that the greatest pair should be "
            "merged first and a smaller one after it; yours come the other way round.",
            LINK,
            ("tie",),
            greatest_first,
        ),
    ),
)
