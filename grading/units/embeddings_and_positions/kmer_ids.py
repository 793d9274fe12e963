"""embeddings_and_positions/kmer_ids: a gene as a list of ids."""

from itertools import product

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property

LINK = "embeddings-and-positions-symbols"


def cases(rng: np.random.Generator) -> list[Case]:
    """Known letters at several k, unknown ones in several places, and too short a piece."""
    plain = _dna(rng, 17)
    return [
        _case("a piece of 17 letters, k = 3", plain, 3),
        _case("the same 17 letters, k = 2", plain, 2),
        _case("the same 17 letters, k = 1", plain, 1),
        _case("the same 17 letters, k = 5", plain, 5),
        _case("a piece as long as a word", _dna(rng, 5)[:4], 4),
        _case("a piece that is too short by one letter", plain[:2], 3),
        _case("no letters at all", "", 2),
        _case("an unknown letter in the middle", plain[:8] + "N" + plain[8:], 3),
        _case("an unknown letter at the start", "N" + plain, 2),
        _case("an unknown letter at the end", plain + "N", 3),
        _case("an unknown letter that is not N", plain[:6] + "R" + plain[6:], 3),
        _case("several unknown letters", plain[:4] + "NRN" + plain[4:9] + "N", 2),
        _case("one word, and it has an unknown letter", "A" + "N" + "G", 3),
    ]


def _dna(rng, n: int) -> str:
    """n letters in which all four occur among the first five, out of order: T before A."""
    return "TGACG" + "".join(rng.choice(list("ACGT"), size=n - 5))


def _case(says: str, dna: str, k: int) -> Case:
    return Case(says, {"dna": dna, "k": k})


# --- right in other ways ---------------------------------------------------------------------


def read_in_base_4(dna, k):
    """Letters become digits, and Python reads the number."""
    digits = dna.translate(str.maketrans("ACGT", "0123"))
    words = [digits[i : i + k] for i in range(len(digits) - k + 1)]
    return [int(word, 4) if set(word) <= set("0123") else 4**k for word in words]


def from_a_dictionary(dna, k):
    """All words of k letters, numbered in alphabetical order."""
    vocabulary = {"".join(word): i for i, word in enumerate(product("ACGT", repeat=k))}
    return [vocabulary.get(dna[i : i + k], 4**k) for i in range(len(dna) - k + 1)]


def rolling(dna, k):
    """One pass: a letter comes in at the right, the oldest falls out at the left."""
    ids, number, known = [], 0, 0
    for i, letter in enumerate(dna):
        digit = "ACGT".find(letter)
        known = known + 1 if digit >= 0 else 0
        number = (4 * number + max(digit, 0)) % 4**k
        if i >= k - 1:
            ids.append(number if known >= k else 4**k)
    return ids


# --- wrong in known ways -----------------------------------------------------------------------

PLACES = "range(len(dna) - k + 1)"
DIGIT = "number = 4 * number + letters.find(letter)"
LETTERS = 'letters, ids = "ACGT", []'
APPEND = "ids.append(number if known else 4**k)"
WORD = "word = dna[start : start + k]"

MISCONCEPTIONS = (
    Misconception(
        "no-overlap",
        "The words stand side by side, one for every k letters. They overlap: a word starts at "
        "every letter.",
        LINK,
        {PLACES: "range(0, len(dna) - k + 1, k)"},
    ),
    Misconception(
        "last-word-missing",
        "The last word is missing: n letters hold n - k + 1 words of k letters.",
        LINK,
        {PLACES: "range(len(dna) - k)"},
    ),
    Misconception(
        "short-words-at-the-end",
        "At the end there are words of fewer than k letters. Stop at the last place where a whole "
        "word fits.",
        LINK,
        {PLACES: "range(len(dna))"},
    ),
    Misconception(
        "last-letter-most-significant",
        "The digits count the wrong way round: the first letter is the most significant, as the "
        "first digit of a number is.",
        LINK,
        {WORD: "word = dna[start : start + k][::-1]"},
    ),
    Misconception(
        "letters-in-another-order",
        "The letters have other digits than asked for: A, C, G, T are 0, 1, 2, 3, in the order of "
        "the alphabet.",
        LINK,
        {LETTERS: 'letters, ids = "ATCG", []'},
    ),
    Misconception(
        "base-k",
        "The base of the number is k. How many letters there are to choose from decides the base, "
        "not how long a word is.",
        LINK,
        {DIGIT: DIGIT.replace("4 *", "k *")},
    ),
    Misconception(
        "base-10",
        "The digits are put side by side as in base 10. With four letters the base is 4, and the "
        "ids leave no gaps.",
        LINK,
        {DIGIT: DIGIT.replace("4 *", "10 *")},
    ),
    Misconception(
        "digits-added",
        "The digits of a word are added up, so that AC and CA get the same id: each place of the "
        "word has a weight of its own.",
        LINK,
        {DIGIT: DIGIT.replace("4 * number", "number")},
    ),
    Misconception(
        "unknown-left-out",
        "Words with an unknown letter are left out, so all later words stand at wrong places. "
        "They get an id of their own.",
        LINK,
        {APPEND: "ids += [number] if known else []"},
    ),
    Misconception(
        "unknown-as-a-letter",
        "A word with an unknown letter gets a number as if the letter were one of the four, or "
        "below them: it must get the one id for unknown words.",
        LINK,
        {APPEND: "ids.append(number)"},
    ),
    Misconception(
        "unknown-minus-1",
        "Unknown words get -1, which would read the last row of a table. Their id is the first "
        "one after all known words.",
        LINK,
        {APPEND: "ids.append(number if known else -1)"},
    ),
    Misconception(
        "unknown-last-word",
        "Unknown words share their id with the last known word, TT and so on. The known ones use "
        "0 to 4**k - 1.",
        LINK,
        {APPEND: "ids.append(number if known else 4**k - 1)"},
    ),
    Misconception(
        "counted-from-1",
        "All ids are one too high: the word of only A is 0.",
        LINK,
        {DIGIT: DIGIT, APPEND: "ids.append(number + 1 if known else 4**k)"},
    ),
    Misconception(
        "numbered-as-they-come",
        "The words are numbered in the order in which they appear, so the same word has another "
        "id in another gene. The id follows from the letters alone.",
        LINK,
        {
            APPEND: "seen = dict.fromkeys(dna[i : i + k] for i in range(start + 1))\n"
            "        ids.append(list(seen).index(word) if known else 4**k)"
        },
    ),
    Misconception(
        "four-times-too-large",
        "Every known id is four times too large: the last letter of a word counts single, the one "
        "before it four times.",
        LINK,
        {APPEND: "ids.append(4 * number if known else 4**k)"},
    ),
    Misconception(
        "only-n-unknown",
        "Only N counts as unknown. Any letter other than A, C, G and T makes a word unknown.",
        LINK,
        {"all(letter in letters for letter in word)": '"N" not in word'},
    ),
    Misconception(
        "unknown-raises",
        "It stops at an unknown letter. Real genes have some: their words get the id 4**k, and the "
        "list goes on.",
        LINK,
        {"letters.find(letter)": "letters.index(letter)"},
    ),
    Misconception(
        "unknown-not-in-the-dictionary",
        "It stops at an unknown letter with a KeyError: a dictionary has no digit for it. Ask "
        "first whether all letters of the word are known; if not, its id is 4**k.",
        LINK,
        {"letters.find(letter)": "dict(zip(letters, range(4), strict=True))[letter]"},
    ),
    Misconception(
        "other-letters-than-n-stop-it",
        "N makes a word unknown, and any other unknown letter stops it with an error. Whatever is "
        "not A, C, G or T makes a word unknown.",
        LINK,
        {DIGIT: 'number = 4 * number + (0 if "N" in word else letters.index(letter))'},
    ),
    Misconception(
        "digits-from-1",
        "The letters have the digits 1 to 4. A is 0, C is 1, G is 2 and T is 3, so that the ids "
        "begin with 0 and end with 4**k - 1.",
        LINK,
        {DIGIT: f"{DIGIT} + 1"},
    ),
    Misconception(
        "goes-on-after-the-unknown",
        "At an unknown letter the number becomes 4**k, and then the letters behind it are counted "
        "on. With any unknown letter the whole word has the id 4**k: leave the loop there.",
        LINK,
        {
            DIGIT: f"{DIGIT} if letter in letters else 4**k",
            APPEND: "ids.append(number)",
        },
    ),
    Misconception(
        "unknown-as-a-fifth-digit",
        "An unknown letter counts as a digit 4. In base 4 its words then get different ids, some "
        "of which belong to known words: all of them have the one id 4**k.",
        LINK,
        {
            "letters.find(letter)": "(letters.index(letter) if letter in letters else 4)",
            APPEND: "ids.append(number)",
        },
    ),
    Misconception(
        "unknown-letters-taken-out",
        "Unknown letters are taken out before the words are made, so that letters meet which are "
        "no neighbours, and places are lost. Every place keeps its word.",
        LINK,
        {LETTERS: f'{LETTERS}\n    dna = "".join(letter for letter in dna if letter in letters)'},
    ),
    Misconception(
        "number-not-set-back",
        "The number goes on growing from word to word. Each word begins again with 0.",
        LINK,
        {LETTERS: f"{LETTERS}\n    number = 0", "\n        number = 0\n": "\n"},
    ),
)


def _unknown_first(ids: list) -> bool:
    return ids[0] == 4**2


def _within_the_table(ids: list) -> bool:
    return all(0 <= number < 4**3 for number in ids)


PROPERTIES = (
    Property(
        "unknown-has-another-id",
        "A word that begins with an unknown letter does not have the id 4**k, which is the first "
        "one after all known words.",
        LINK,
        cases=("an unknown letter at the start",),
        holds=_unknown_first,
    ),
    Property(
        "id-outside-the-table",
        "With four known letters and k = 3 there are 64 words, 0 to 63, and some of these ids lie "
        "outside. How many letters go into each number, and what is its base?",
        LINK,
        cases=("a piece of 17 letters, k = 3",),
        holds=_within_the_table,
    ),
)


EXERCISE = Exercise(
    id="embeddings_and_positions/kmer_ids",
    callable="kmer_ids",
    title="A gene as a sequence",
    parts={"all": 2},
    minutes=10,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(read_in_base_4, from_a_dictionary, rolling),
    properties=PROPERTIES,
)
