"""The keys of relations in words: what is true of the answer, and where to look."""

Key = tuple

# By the first word of a key; {0}, {1} are what follows in it.
PLACES = {
    "flat": "The numbers are right and in the right order; the shape they are counted off into is "
    "another.",
    "elsewhere": "All the right numbers are there, and no others, but in other places: look at the "
    "order of axes and items.",
    "exchanged": "The values are right, but {0} and {1} have changed places: look at the order of "
    "the axes.",
    "permuted": "The values are right, but the axes stand in another order: yours are {0}.",
    "reversed": "The values are right, but {0} runs backwards.",
    "rolled": "The values are right, but moved {1} along {0}; what leaves at one end comes in at "
    "the other.",
    "shifted": "The values are right, but moved {1} along {0}, as if positions were counted from "
    "another start.",
    "sorted": "The values are right, but sorted along {0}: they have lost their places.",
    "sorted down": "The values are right, but sorted along {0}, the largest first: they have lost "
    "their places.",
    "reordered": "What stands along {0} is all right, but it comes in another order.",
    "ones": "The values are right; axes of size 1 are missing, or there are too many.",
    "sum": "Your numbers are the sums of the right ones over {0}, which should stay an axis.",
    "mean": "Your numbers are the means of the right ones over {0}, which should stay an axis.",
    "max": "Your numbers are the largest of the right ones over {0}, which should stay an axis.",
    "only first": "This is the first along {0} alone; it is right, but the others are wanted too.",
    "only last": "This is the last along {0} alone; it is right, but the others are wanted too.",
    "missing": "What is there is right; {2} missing at the {0} of {1}.",
    "extra": "All that is wanted is there, and {2} too many at the {0} of {1}.",
    "repeated": "Everything along {0} is there more than once, each beside its copies.",
    "tiled": "Everything along {0} is there more than once, the whole of it over again.",
    "true too often": "Every True that is wanted is there, and there are more: look at what should "
    "be False.",
    "false too often": "No True stands in a wrong place, but some are missing: look at what should "
    "be True.",
}
FUNCTIONS = {
    "inverted": "True and False have changed places: everything is the opposite of what is wanted.",
    "negated": "Every number has the wrong sign; its size is right.",
    "function": "Your numbers are made of the right ones: {0}.",
    "running sums": "Your numbers are the running sums of the right ones along {0}.",
    "means": "Your numbers are the means of the right ones over {0}, the same all along it.",
    "sums": "Your numbers are the sums of the right ones over {0}, the same all along it.",
    "one-hot": "Each line along {0} holds a single 1 and otherwise 0; the right numbers are spread "
    "out.",
    "softmax": "Your numbers are the right ones after a softmax over {0}: there is one too many.",
    "centred": "Your numbers are the right ones less their mean over {0}.",
    "unit length": "Your numbers are the right ones divided by their length over {0}, so that all "
    "lines have length 1.",
    "normalised": "Your numbers are the right ones divided by their sum over {0}, which is not "
    "wanted.",
}
REGIONS = {
    "first": "Only the first along {0} is right; all others differ.",
    "last": "Only the last along {0} is right; all others differ.",
    "all but the first": "Only the first along {0} is wrong; all others are right.",
    "all but the last": "Only the last along {0} is wrong; all others are right.",
    "right only": "The values are right {0}, and wrong everywhere else.",
    "wrong only": "The values are wrong {0}, and right everywhere else.",
    "same for every": "Your result is the same all along {0}, where it should differ.",
    "same number": "Your result is {0} everywhere.",
    "same value": "Your result holds one and the same value everywhere in a case.",
}
# The same of what has no words for its axes, such as a pair of numbers.
OF_ITEMS = {
    "first": "Of what comes back only the first item is right; all others differ.",
    "last": "Of what comes back only the last item is right; all others differ.",
    "all but the first": "Of what comes back only the first item is wrong; all others are right.",
    "all but the last": "Of what comes back only the last item is wrong; all others are right.",
    "same for every": "All items that come back are the same, where they should differ.",
}
KNOWN = {
    "is": "Your result is {0}{1}: the steps after it are missing, or have no effect.",
    "is transposed": "Your result is {0}{1}, with its last two axes exchanged.",
    "is negated": "Your result is {0}{1} with the other sign.",
    "is in another shape": "Your result holds the numbers of {0}{1}, in another shape.",
    "added": "Your result is the right one plus {0}{1}.",
    "taken off": "Your result is the right one less {0}{1}.",
    "multiplied": "Your result is the right one times {0}{1}, number by number.",
    "there is": "Where your result is wrong, it is {0}{1}: look at the steps after it.",
    "lines of": "Each line along {0} of your result is one line of {1} as it stands, not mixed "
    "with others.",
    "there is number": "Where your result is wrong, it is always {0}.",
    "there is ratio": "Where your result is wrong, it is {0} divided by {1}, as the course's own "
    "answer calls them.",
    "there is product": "Where your result is wrong, it is {0} times {1}, as the course's own "
    "answer calls them.",
}
NOT_NUMBERS = {
    "everywhere": "Your result is {0} everywhere",
    "rows": "Some lines along {1} are {0} as a whole",
    "from": "From {2} on along {1}, there is {0}",
    "somewhere": "Some values are {0}",
}
STEPS = {1: "one place on", -1: "one place back"}
ENDS = {"first": "beginning", "last": "end"}


def place(key: Key) -> str:
    """A sentence about places (`explaining.placed`, `regions.booleans`)."""
    name, *more = key
    if name == "permuted":
        more = [", ".join(more[0])]
    if name in ("rolled", "shifted"):
        more[1] = STEPS[more[1]]
    if name in ("missing", "extra"):
        end, axis, count = more
        are = "some are" if count == "some" else f"{count} {'is' if count == 1 else 'are'}"
        more = [ENDS[end], axis, are]
    return PLACES[name].format(*more)


def function(key: Key) -> str:
    """A sentence about what was done to the right numbers (`arithmetic.functions`)."""
    return FUNCTIONS[key[0]].format(*key[1:])


def region(key: Key) -> str:
    """A sentence about where in the output the values are right (`explaining.regions`)."""
    if key[1:] == ("axis 0",) and key[0] in OF_ITEMS:
        return OF_ITEMS[key[0]]
    return REGIONS[key[0]].format(*key[1:])


def known(key: Key) -> str:
    """A sentence about an input or an intermediate result (`explaining.intermediates`)."""
    name, what, *other = key
    if other:  # both are named
        return KNOWN[name].format(what, *other)
    course = "" if not what.startswith("`") else ", as the course's own answer calls it"
    return KNOWN[name].format(what, course)


def not_number(key: Key) -> str:
    """A sentence about NaN and infinity (`regions.not_numbers`)."""
    where, rest, *more = key
    end = "; the rest is right." if rest == "right" else "."
    look = " Look for a division by 0, or a number that grew too large."
    return NOT_NUMBERS[where].format(*more) + end + look
