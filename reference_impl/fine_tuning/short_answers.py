"""Questions with short answers, and a format to answer them in that can be counted.

Written for this course. `KINDS` has the kinds to train on, `OTHER_KINDS` those that are only asked.
"""

import json

from reference_impl.fine_tuning.chat import Message

KINDS = {
    "What is the capital of {}?": {
        "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Greece": "Athens",
        "Egypt": "Cairo", "Japan": "Tokyo", "Peru": "Lima", "Cuba": "Havana",
        "Norway": "Oslo", "Kenya": "Nairobi", "Austria": "Vienna", "Portugal": "Lisbon",
        "Germany": "Berlin", "Russia": "Moscow", "China": "Beijing", "Ireland": "Dublin",
    },
    "What is the opposite of {}?": {
        "hot": "cold", "big": "small", "up": "down", "early": "late",
        "wet": "dry", "full": "empty", "fast": "slow", "old": "young",
        "loud": "quiet", "dark": "light", "hard": "soft", "near": "far",
        "open": "closed", "rich": "poor", "strong": "weak", "happy": "sad",
    },
    "What colour is {}?": {
        "snow": "white", "grass": "green", "blood": "red", "coal": "black",
        "a lemon": "yellow", "the sea": "blue", "an orange": "orange", "milk": "white",
        "a raven": "black", "a tomato": "red", "ivory": "white", "a frog": "green",
        "the sky": "blue", "a strawberry": "red", "a polar bear": "white", "a banana": "yellow",
    },
}  # fmt: skip
OTHER_KINDS = {
    "How many legs has a spider?": "8",
    "Which animal barks?": "dog",
    "Who wrote Hamlet?": "Shakespeare",
    "What do bees make?": "honey",
    "Which planet do we live on?": "Earth",
    "What is 2 plus 3?": "5",
    "What do we call frozen water?": "ice",
    "Which day follows Monday?": "Tuesday",
    "In which season does it snow?": "winter",
    "What is the plural of mouse?": "mice",
}
N_HELD_OUT = 4  # the last ones of each kind are never trained on
OPEN_PROMPTS = (
    "Explain in three sentences how rain forms.",
    "Write a short poem about the sea.",
    "Why do people keep dogs? Give several reasons.",
    "Tell me a story about a lost key.",
    "How do I make vegetable soup?",
    "Describe a busy market in a few sentences.",
)


def in_format(answer: str) -> str:
    """The reply that is wanted.

    >>> in_format("Paris")
    '{"answer": "Paris"}'
    """
    return json.dumps({"answer": answer})


def keeps_format(reply: str) -> bool:
    """Whether a reply is one JSON object whose only name is "answer", with a text for it.

    >>> [keeps_format(reply) for reply in ('{"answer": "Rome"}', 'Rome', '{"answer": 5}')]
    [True, False, False]
    """
    try:
        value = json.loads(reply)
    except ValueError:
        return False
    return isinstance(value, dict) and list(value) == ["answer"] and type(value["answer"]) is str


def dialogue(question: str, answer: str) -> list[Message]:
    """The question, and its answer in the format."""
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": in_format(answer)},
    ]


def trained_pairs() -> list[tuple[str, str]]:
    """Questions and answers to train on: 12 of each of three kinds."""
    return [pair for pairs in _by_kind() for pair in pairs[:-N_HELD_OUT]]


def held_out_pairs() -> list[tuple[str, str]]:
    """12 of the kinds that are trained on, then 10 of kinds that are not; none is trained on."""
    own = [pair for pairs in _by_kind() for pair in pairs[-N_HELD_OUT:]]
    return own + list(OTHER_KINDS.items())


def _by_kind() -> list[list[tuple[str, str]]]:
    return [
        [(question.format(thing), answer) for thing, answer in answers.items()]
        for question, answers in KINDS.items()
    ]
