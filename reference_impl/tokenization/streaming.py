"""A stream of text cut where no word can cross, so that its parts encode as the whole would.

The cuts are before whitespace that follows a letter or digit: "one| two|\\nthree!\\n". The patterns
of published tokenizers begin a word there, whatever comes before or after.
"""

from collections.abc import Collection, Iterable, Iterator

import regex

LAST_CUT = regex.compile(r"(?r)(?<=[\p{L}\p{N}])\s")  # searched from the end
ANY_CUT = regex.compile(r"(?<=[\p{L}\p{N}])\s")
ENDS = (
    "a",
    "Z",
    "é",
    "字",
    "7",
    "٣",
    "don't",
    "ab12",
    "  x",
    "!x",
    "X9",
    "\nq",
    "hello",
    "camelCase",
)
STARTS = (
    *(" b", "  b", "\nb", "\t", " 7", " !", "\r\n c", "   ", " 's", "\u00a0x", "\u3000y", "\n\n"),
    *(" world", " don't", "  \n  x", "\n ", " é", " 字", "\n\n1."),
)


def parts_between_words(texts: Iterable[str]) -> Iterator[str]:
    """The same text in other parts: each but the last ends at a cut.

    >>> list(parts_between_words(["one t", "wo!", "\\nthree", " four"]))
    ['one', ' two!\\nthree', ' four']
    """
    held: list[str] = []  # since the last cut
    for text in filter(None, texts):
        before = held[-1][-1] if held else ""
        if cut := LAST_CUT.search(before + text):
            place = cut.start() - len(before)
            yield "".join([*held, text[:place]])
            held, text = [], text[place:]
        held.append(text)
    if held:
        yield "".join(held)


def words_end_at_whitespace(pattern: regex.Pattern, special_tokens: Collection[str]) -> bool:
    """Whether no word and no special token crosses a cut, as far as trying can tell.

    >>> words_end_at_whitespace(regex.compile(r" ?\\w+|\\s"), ["<|end|>"])
    True
    >>> words_end_at_whitespace(regex.compile(r"\\w+ \\w+"), [])
    False
    """
    if any(ANY_CUT.search(token) for token in special_tokens):
        return False
    find = pattern.findall
    return all(find(end + start) == find(end) + find(start) for end in ENDS for start in STARTS)
