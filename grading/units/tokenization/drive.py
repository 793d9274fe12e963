"""What runs in the learner's process: a list that notes which of its items are read."""

from collections import Counter
from collections.abc import Callable
from typing import Any


class _Watched(list):
    """The words; `read` has the numbers of those that were looked at."""

    def __init__(self, items: list) -> None:
        super().__init__(items)
        self.read: set[int] = set()

    def __getitem__(self, place: Any) -> Any:
        places = range(len(self))[place]
        self.read |= set(places) if isinstance(places, range) else {places}
        return super().__getitem__(place)

    def __iter__(self) -> Any:
        self.read |= set(range(len(self)))
        return super().__iter__()


def apply_merge(
    answer: Callable,
    words: list[list[bytes]],
    word_counts: list[int],
    pair_counts: dict,
    words_with: dict,
    pair: tuple[bytes, bytes],
) -> dict[str, Any]:
    """The books after one merge, without what is 0 or empty, and whether other words were read."""
    watched = _Watched([list(word) for word in words])
    counts, holders = Counter(pair_counts), {key: set(value) for key, value in words_with.items()}
    concerned = set(holders.get(pair, ()))
    numbers = list(word_counts)
    returned = answer(watched, numbers, counts, holders, pair)
    return {
        "words": list(list.__iter__(watched)),
        "word counts": numbers,
        "pair counts": {key: int(count) for key, count in counts.items() if count != 0},
        "words with": {key: value for key, value in holders.items() if value},
        "other words read": bool(watched.read - concerned),
        "returned": returned,
    }
