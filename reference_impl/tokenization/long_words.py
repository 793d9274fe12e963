"""Merging a very long word, such as a million letters without a space, with arrays.

All pairs of the lowest rank are merged at once, then those of the next: as many rounds as
different tokens come out, however long the word is. It is `merge_by_rank` wherever no merge makes a
pair of a rank that is not above its own, as holds for trained vocabularies; where one does,
the caller is told to take the other way.
"""

from collections.abc import Callable
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Int

NO_RANK = np.iinfo(np.int64).max
Places = Int[np.ndarray, " places"]


def merge_long(
    token_ids: Int[np.ndarray, " letters"],
    rank_of: Callable[[int, int], int | None],
    merged_id: Callable[[int, int], int],
) -> list[int] | None:
    """The ids after all merges, or None where a merge made a pair of a rank not above its own.

    `rank_of` two ids is None where they are no merge, and `merged_id` what they become. Pairs of
    one rank all become the same token.

    >>> ranks = {(0, 1): 2, (2, 2): 3}  # here the rank is also the id: ab is 2, abab is 3
    >>> merge_long(np.array([0, 1, 0, 1, 0, 1, 0]), lambda *x: ranks.get(x), lambda *x: ranks[x])
    [3, 2, 0]
    """
    word = _LongWord(token_ids, rank_of)
    word.note(np.arange(len(token_ids) - 1), above=-1)
    while word.waiting:
        rank = heappop(word.waiting)
        places = word.places_of(rank)
        if not len(places):
            continue
        first = places[0]
        new_id = merged_id(int(word.ids[first]), int(word.ids[word.after[first]]))
        if not word.note(word.merge(places, new_id), above=rank):
            return None
    return word.ids[word.ids >= 0].tolist()


def _different(numbers: Places, end: int) -> tuple[Int[np.ndarray, " different"], Places]:
    """`np.unique` with its inverse; by a table, without sorting, where that is shorter."""
    if len(numbers) < end // 4:
        return np.unique(numbers, return_inverse=True)
    table = np.zeros(end, dtype=np.int64)
    table[numbers] = 1
    different = np.flatnonzero(table)
    table[different] = np.arange(len(different))
    return different, table[numbers]


class _LongWord:
    """A linked list in arrays: at each place an id, or -1 where its piece is part of an earlier
    one, and the rank of the pair that begins there. The last place is a wall behind the word."""

    def __init__(
        self, token_ids: Int[np.ndarray, " letters"], rank_of: Callable[[int, int], int | None]
    ) -> None:
        n, self.rank_of = len(token_ids), rank_of
        self.ids = np.append(token_ids, -1).astype(np.int64)
        self.before, self.after = np.arange(-1, n), np.arange(1, n + 2)
        self.ranks = np.full(n + 1, NO_RANK)
        self.noted: dict[int, list[Places]] = {}  # where pairs of each rank began when last seen
        self.waiting: list[int] = []  # a heap of these ranks

    def note(self, places: Places, above: int) -> bool:
        """Look up the ranks of the pairs at `places`. False where one is not `above` the last."""
        if not len(places):
            return True
        left, right = self.ids[places], self.ids[self.after[places]]
        width = int(max(left.max(), right.max())) + 1
        pairs, which = _different(left * width + right, width**2)
        found = map(self.rank_of, (pairs // width).tolist(), (pairs % width).tolist())
        ranks = np.array([NO_RANK if rank is None else rank for rank in found])[which]
        self.ranks[places] = ranks
        mergeable = ranks != NO_RANK
        places, ranks = places[mergeable], ranks[mergeable]
        if not len(ranks):
            return True
        order = np.argsort(ranks, kind="stable")
        places, ranks = places[order], ranks[order]
        starts = np.flatnonzero(np.diff(ranks, prepend=-1))
        for rank, group in zip(ranks[starts].tolist(), np.split(places, starts[1:]), strict=True):
            if rank not in self.noted:
                self.noted[rank] = []
                heappush(self.waiting, rank)
            self.noted[rank].append(group)
        return int(ranks[0]) > above

    def places_of(self, rank: int) -> Places:
        """Where pairs of this rank are merged: the leftmost of those that overlap first."""
        places = np.unique(np.concatenate(self.noted.pop(rank)))
        places = places[self.ranks[places] == rank]  # the others have changed since
        overlaps = np.append(False, self.after[places[:-1]] == places[1:])
        if overlaps.any():  # every other pair of a run
            n = np.arange(len(places))
            run_start = np.maximum.accumulate(np.where(overlaps, 0, n))
            places = places[(n - run_start) % 2 == 0]
        return places

    def merge(self, places: Places, new_id: int) -> Int[np.ndarray, " others"]:
        """Make one piece of each pair; returns where pairs are new: there, and one piece before."""
        gone = self.after[places]
        self.ids[places], self.ids[gone] = new_id, -1
        self.ranks[places], self.ranks[gone] = NO_RANK, NO_RANK
        follower = self.after[gone]
        self.after[places], self.before[follower] = follower, places
        wall = len(self.ids) - 1
        previous = self.before[places]
        return np.concatenate((places[follower != wall], previous[previous >= 0]))
