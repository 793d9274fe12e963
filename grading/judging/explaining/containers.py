"""Dicts, sets and lists as collections: what is missing, what is too many, which values are off."""

from collections import Counter
from collections.abc import Callable, Iterator

from grading.judging.evidence import Items, Outcome, Pairs, Plain, Value, plain
from grading.judging.explaining.pairs import View
from grading.judging.measures import Close

Key = str
MOST_ENTRIES = 8  # of a dict of named results
LEAST = 4  # items in the right results of all wrong cases together

SENTENCES: dict[Key, str] = {
    "empty": "Your result is empty: nothing was put into it, or it was left out of what is given "
    "back.",
    "keys longer": "Your keys are longer than they should be: they hold more items each.",
    "keys shorter": "Your keys are shorter than they should be: they hold fewer items each.",
    "values low": "The keys are right; some values are too small, and none is too large.",
    "values high": "The keys are right; some values are too large, and none is too small.",
    "values": "The keys are right; some of the values are not.",
    "keys uneven": "Your keys hold now more and now fewer items; all should hold the same number.",
    "keys missing": "Some keys are missing; those that are there have the right values.",
    "keys extra": "There are keys too many; those that are wanted have the right values.",
    "less": "Something is left out: some keys are missing or have too small a value, and none has "
    "too large a one.",
    "more": "Something is counted too often: some keys are too many or have too large a value, and "
    "none has too small a one.",
    "held less": "Some keys are missing or hold too few items, and none holds one too many.",
    "held more": "Some keys are too many or hold items too many, and none lacks one.",
    "keys few": "Some keys are missing, and none is too many; some values differ, too.",
    "keys many": "No key is missing, and some are too many; some values differ, too.",
    "items missing": "Some items are missing; those that are there are right.",
    "items extra": "All items that are wanted are there, and some that are not.",
    "items repeated": "The right items are there, but some of them come another number of times.",
}


def collections(view: View) -> tuple[str, str] | None:
    """What holds of the collections on every wrong case that ends without an error."""
    cases = [i for i in view.wrong_cases if not view.got.cases[i].error]
    found: set[Key] | None = None
    size = 0
    for i in cases:
        expected = view.at.expected(i)
        if expected is None or expected.error:
            return None
        keys = list(_relations(expected.output, view.got.cases[i].output))
        found = set(keys) if found is None else found & set(keys)
        size += len(getattr(expected.output, "items", ()))
    told = next((name for name in SENTENCES if found and name in found), None)
    if told is None or size < LEAST:
        return None
    condition = "" if len(cases) == len(view.differences) else "On the cases that are wrong: "
    text = SENTENCES[told]
    return "collection", condition + (text[0].lower() + text[1:] if condition else text)


def entries(view: View) -> tuple[str, str] | None:
    """Which entries of a dict of named results are wrong, where all cases have the same names."""
    cases = [i for i in range(len(view.differences)) if not view.got.cases[i].error]
    records = {i: (_record(view.at.expected(i)), _record(view.got.cases[i])) for i in cases}
    names = next((list(want) for want, _ in records.values()), [])
    if not 2 <= len(names) <= MOST_ENTRIES:
        return None
    if any(side.keys() != set(names) for pair in records.values() for side in pair):
        return None
    found = {name: [i for i in cases if _differs(view, i, name, *records[i])] for name in names}
    wrong = [name for name in names if found[name]]
    if not wrong or len(wrong) == len(names):
        return None
    listed = " and ".join(", ".join(f"`{name}`" for name in wrong).rsplit(", ", 1))
    told = f"Of what comes back only {listed} {'is' if len(wrong) == 1 else 'are'} wrong"
    pairs = [tuple(side[wrong[0]] for side in records[i]) for i in found[wrong[0]]]
    return "collection", told + (_inside(pairs) if len(wrong) == 1 else ".")


def _differs(view: View, i: int, name: str, want: dict, have: dict) -> bool:
    """Whether one entry of what came back is wrong on case i."""
    measure = view.at.measure(i)
    if not isinstance(measure, Close):
        return False
    sides = (Outcome(side[name], None) for side in (want, have))
    return not measure.alike(view.at.cases[i].inputs, *sides, "")


def _inside(pairs: list[tuple[Value, Value]]) -> str:
    """What holds of the one entry that is wrong, wherever it is."""
    found = set.intersection(*(set(_relations(*pair)) for pair in pairs)) - {"values"}
    told = next((SENTENCES[key] for key in SENTENCES if key in found), None)
    return f": {told[0].lower()}{told[1:]}" if told else "."


def _record(outcome: Outcome | None) -> dict[str, Value]:
    """The entries of a dict whose keys are texts; empty for anything else."""
    output = outcome.output if outcome else None
    items = output.items if isinstance(output, Pairs) else ()
    if not all(isinstance(key, Plain) and isinstance(key.value, str) for key, _ in items):
        return {}
    return {key.value: value for key, value in items}


def strange_items(view: View) -> tuple[str, str] | None:
    """An item that keys hold on every wrong case that ends without an error, and no right key."""
    cases = [i for i in view.wrong_cases if not view.got.cases[i].error]
    strange: set[str] | None = None
    for i in cases:
        expected = view.at.expected(i)
        if expected is None or expected.error:
            return None
        here = _inside_keys(view.got.cases[i].output) - _inside_keys(expected.output)
        strange = here if strange is None else strange & here
    if not strange:
        return None
    item = min(strange, key=lambda name: (len(name), name))
    return "collection", f"Some of your keys hold {item}, which is in no key that is wanted."


def _inside_keys(value: Value) -> set[str]:
    """What the keys of a dict hold, where they hold something."""
    keys = [key for key, _ in value.items] if isinstance(value, Pairs) else []
    return {_name(item) for key in keys if isinstance(key, Items) for item in key.items}


def _relations(want: Value, have: Value) -> Iterator[Key]:
    match want, have:
        case Pairs(), Pairs():
            yield from _of_dicts(want, have)
        case Items(), Items() if want.kind == have.kind:
            if want.items and not have.items:
                yield "empty"
            yield from _of_items(*(Counter(map(_name, side.items)) for side in (want, have)))


def _name(value: Value) -> str:
    return repr(plain(value))


def _of_items(want: Counter, have: Counter) -> Iterator[Key]:
    if have < want:
        yield "items missing"
    if have > want:
        yield "items extra"
    if set(want) == set(have):
        yield "items repeated"


def _of_dicts(want: Pairs, have: Pairs) -> Iterator[Key]:
    if want.items and not have.items:
        yield "empty"
    wanted, given = ({_name(k): v for k, v in side.items} for side in (want, have))
    lengths = [{len(k.items) for k, _ in s.items if isinstance(k, Items)} for s in (want, have)]
    if lengths[0] and lengths[1]:
        if min(lengths[1]) > max(lengths[0]):
            yield "keys longer"
        if max(lengths[1]) < min(lengths[0]):
            yield "keys shorter"
        if len(lengths[0]) == 1 < len(lengths[1]):
            yield "keys uneven"
    yield from _amounts(wanted, given)
    yield from _holdings(wanted, given)
    shared = wanted.keys() & given.keys()
    right = all(_name(wanted[key]) == _name(given[key]) for key in shared)
    if wanted.keys() == given.keys():
        yield from _of_values(wanted, given)
    elif given.keys() < wanted.keys():
        yield from ("keys missing", "keys few") if right else ("keys few",)
    elif given.keys() > wanted.keys():
        yield from ("keys extra", "keys many") if right else ("keys many",)


def _amounts(wanted: dict[str, Value], given: dict[str, Value]) -> Iterator[Key]:
    """Counts of which none is too large, or none too small; a missing key counts as 0."""
    sides = []
    for side in (wanted, given):
        if not all(isinstance(v, Plain) and type(v.value) in (int, float) for v in side.values()):
            return
        sides.append({key: v.value for key, v in side.items()})
    names = sides[0].keys() | sides[1].keys()
    pairs = [(sides[0].get(name, 0), sides[1].get(name, 0)) for name in names]
    if sides[1].keys() <= sides[0].keys() and all(b <= a for a, b in pairs):
        yield "less"
    if sides[1].keys() >= sides[0].keys() and all(b >= a for a, b in pairs):
        yield "more"


def _holdings(wanted: dict[str, Value], given: dict[str, Value]) -> Iterator[Key]:
    """Keys that hold collections, of which none has an item too many, or none lacks one."""
    if not all(isinstance(v, Items) for side in (wanted, given) for v in side.values()):
        return
    sides = [{k: Counter(map(_name, v.items)) for k, v in s.items()} for s in (wanted, given)]
    names = sides[0].keys() | sides[1].keys()
    pairs = [(sides[0].get(name, Counter()), sides[1].get(name, Counter())) for name in names]
    if sides[1].keys() <= sides[0].keys() and all(b <= a for a, b in pairs):
        yield "held less"
    if sides[1].keys() >= sides[0].keys() and all(b >= a for a, b in pairs):
        yield "held more"


def _of_values(wanted: dict[str, Value], given: dict[str, Value]) -> Iterator[Key]:
    pairs = [(wanted[key], given[key]) for key in wanted]
    if all(isinstance(v, Plain) and type(v.value) in (int, float) for p in pairs for v in p):
        tests: dict[Key, Callable] = {"values low": min, "values high": max}
        for name, choose in tests.items():
            if all(choose(a.value, b.value) == b.value for a, b in pairs):
                yield name
    yield "values"
