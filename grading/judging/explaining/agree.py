"""What holds on every wrong case, and whether it holds on all cases."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from grading.judging.explaining.pairs import ENOUGH, Pair, View

Family = Callable[[Pair], Iterable[tuple]]


def agreed(view: View, family: Family, enough: int = ENOUGH) -> Iterator[tuple[tuple, str]]:
    """The keys of a family that hold on every wrong case, and what to say before them."""
    wrong = view.wrong
    if not wrong or view.telling < enough:
        return
    kept = list(dict.fromkeys(family(wrong[0])))
    for pair in wrong[1:]:
        if not kept:
            return
        keys = set(family(pair))
        kept = [key for key in kept if key in keys]
    for key in kept:
        yield key, before(view, all(key in set(family(pair)) for pair in view.right))


def before(view: View, always: bool) -> str:
    """The cases that a sentence speaks of: nothing where it is all of them."""
    if always and len(view.pairs) == len(view.differences):
        return ""
    if view.errors:
        return "Where no error comes: "
    return "" if not view.right_cases else "On the cases that are wrong: "


def words(items: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
