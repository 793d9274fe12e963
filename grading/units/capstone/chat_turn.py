"""capstone/chat_turn: one question, one answer, and a conversation that remembers both."""

from itertools import islice, takewhile

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.capstone import drive

LINK = "capstone-chat"
QUESTIONS = ["Why?", "What is a tiger?", "How far is the moon?", "Is it cold?", "And then?"]
ANSWERS = ["No.", "A large cat", "Very far", "It may be", "Later more"]
END = 3


def cases(rng: np.random.Generator) -> list[Case]:
    """A first turn and a later one; an answer that ends, is cut, is empty, ends at its limit."""
    asked = [QUESTIONS[i] for i in rng.permutation(5)]
    said = [ANSWERS[i] for i in rng.permutation(5)]
    system = {"role": "system", "content": "Be brief."}
    before = [
        system,
        {"role": "user", "content": asked[0]},
        {"role": "assistant", "content": said[0]},
    ]

    def case(says, messages, written, limit=None, question=asked[1], name=""):
        ids = list(written.encode().replace(b"|", bytes([END])))
        inputs = {"messages": messages, "prompt": question, "written": ids, "end_id": END}
        return Case(says, inputs | ({} if limit is None else {"max_new_tokens": limit}), name=name)

    return [
        case("a first question", [], f"{said[1]}|", name="ended"),
        case("a question behind a system message", [system], f"{said[1]}|"),
        case("a later question", before, f"{said[1]}|", question=asked[2]),
        case("an answer that the limit cuts", before, said[1], 4),
        case("an answer whose end mark would be one token behind the limit", [], "Yes|", 3),
        case("an answer whose end mark is the last token of the limit", [], "Yes|", 4),
        case("a limit of one token", [], said[2], 1, name="one"),
        case("an answer that never ends, and no limit given", [], said[3]),
        case("an empty answer", before, "|"),
        case("an answer with characters of several tokens", [], "C'est déjà la 熊 🐻.|"),
        case("an answer with white space at both ends", [], f" \n{said[1]} and more\n |"),
        case("a question with white space at its end", [], f"{said[1]}|", question=asked[3] + " "),
        case("an answer with text behind its end mark", [], f"{said[4]}|not this|", 20),
    ]


# --- right in other ways ---------------------------------------------------------------------


def with_itertools(
    messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256
):
    """takewhile stops at the mark, islice at the limit."""
    user = {"role": "user", "content": prompt}
    stream = write(encode(render_chat(list(messages) + [user])))
    ids = list(islice(takewhile(lambda i: i != end_id, stream), max_new_tokens))
    return list(messages) + [user, {"role": "assistant", "content": decode(ids).strip()}]


def with_next(messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256):
    """A while loop that asks for one token at a time."""
    conversation = [dict(message) for message in messages]
    conversation.append({"role": "user", "content": prompt})
    source, new = iter(write(encode(render_chat(conversation)))), []
    while len(new) < max_new_tokens and (token := next(source)) != end_id:
        new.append(token)
    conversation.append({"role": "assistant", "content": decode(new).strip()})
    return conversation


def with_iter_and_a_mark(
    messages, prompt, render_chat, encode, write, decode, end_id, max_new_tokens=256
):
    """iter(call, mark) ends at the mark; zip with a range ends at the limit."""
    turn = messages + [{"role": "user", "content": prompt}]
    stream = iter(write(encode(render_chat(turn))))
    until_mark = iter(lambda: next(stream), end_id)
    ids = [token for _, token in zip(range(max_new_tokens), until_mark, strict=False)]
    answer = decode(ids).strip()
    return turn + [{"role": "assistant", "content": answer}]


# --- wrong in known ways -----------------------------------------------------------------------

ASKED = 'asked = [*messages, {"role": "user", "content": prompt}]'
RETURN = 'return [*asked, {"role": "assistant", "content": decode(answer).strip()}]'
STOP = "if token_id == end_id:\n            break\n        answer.append(token_id)"
LIMIT = "        if len(answer) == max_new_tokens:\n            break\n"
RENDER = "render_chat(asked)"

MISCONCEPTIONS = (
    Misconception(
        "end-mark-in-the-answer",
        "The end mark is part of the answer. It ends before it.",
        LINK,
        {STOP: "answer.append(token_id)\n        if token_id == end_id:\n            break"},
    ),
    Misconception(
        "end-mark-left-out",
        "The end mark is left out, and the answer goes on behind it, until the limit cuts it. The "
        "answer ends *there*.",
        LINK,
        {STOP: STOP.replace("break", "continue")},
    ),
    Misconception(
        "end-mark-ignored",
        "The answer goes on behind its end mark, until the limit cuts it. A model that has said "
        "all goes on with anything.",
        LINK,
        {STOP: "answer.append(token_id)"},
    ),
    Misconception(
        "limit-ignored",
        "`max_new_tokens` does not end the answer. A model may never write its end mark.",
        LINK,
        {LIMIT: "        if len(answer) == 256:\n            break\n"},
    ),
    Misconception(
        "one-token-too-many",
        "The answer has one token more than `max_new_tokens`.",
        LINK,
        {"len(answer) == max_new_tokens": "len(answer) == max_new_tokens + 1"},
    ),
    Misconception(
        "one-token-too-few",
        "The answer has one token less than `max_new_tokens` allows.",
        LINK,
        {
            STOP: "if token_id == end_id or len(answer) == max_new_tokens - 1:\n            break\n"
            "        answer.append(token_id)"
        },
    ),
    Misconception(
        "reads-one-more",
        "The answer is right, but a token behind the limit is read and thrown away. Each token "
        "costs a run of the model.",
        LINK,
        {
            LIMIT: "",
            STOP: "if token_id == end_id or len(answer) == max_new_tokens:\n"
            "            break\n        answer.append(token_id)",
        },
    ),
    Misconception(
        "question-alone",
        "The model gets the last question alone. It has no memory: all messages before it have to "
        "be in its prompt.",
        LINK,
        {RENDER: "render_chat(asked[-1:])"},
    ),
    Misconception(
        "empty-answer-rendered",
        "`render_chat` gets an empty answer as its last message, and closes it. It begins the "
        "answer by itself: its last message is the question.",
        LINK,
        {RENDER: 'render_chat([*asked, {"role": "assistant", "content": ""}])'},
    ),
    Misconception(
        "question-not-asked",
        "The model gets the messages before the question, and not the question.",
        LINK,
        {RENDER: "render_chat(list(messages))"},
    ),
    Misconception(
        "question-not-kept",
        "The question is not in the conversation afterwards. The next turn would not know what was "
        "asked.",
        LINK,
        {RETURN: RETURN.replace("*asked", "*messages")},
    ),
    Misconception(
        "answer-not-kept",
        "The answer is not in the conversation afterwards. The next turn would not know what was "
        "said.",
        LINK,
        {RETURN: "return asked"},
    ),
    Misconception(
        "answer-of-the-user",
        "The answer stands there as said by the user. The model's role is assistant.",
        LINK,
        {RETURN: RETURN.replace("assistant", "user")},
    ),
    Misconception(
        "answer-of-the-model",
        "The answer stands there with the role model. The template of SmolLM2 knows the role as "
        "assistant.",
        LINK,
        {RETURN: RETURN.replace("assistant", "model")},
    ),
    Misconception(
        "prompt-in-the-answer",
        "The answer begins with the prompt. Only what the model wrote behind it is the answer.",
        LINK,
        {
            "answer: list[int] = []": f"answer: list[int] = []\n    prompt_ids = encode({RENDER})",
            "decode(answer).strip()": "decode(prompt_ids + answer).strip()",
        },
    ),
    Misconception(
        "decoded-token-by-token",
        "Each token is decoded by itself, so a character of several tokens breaks. Collect the ids "
        "and decode them together.",
        LINK,
        {RETURN: RETURN.replace("decode(answer)", '"".join(decode([i]) for i in answer)')},
    ),
    Misconception(
        "question-stripped",
        "White space at the ends of the question goes, too. Only the answer's is to go: the "
        "question stays as the user wrote it.",
        LINK,
        {ASKED: ASKED.replace("prompt", "prompt.strip()")},
    ),
    Misconception(
        "white-space-kept",
        "White space at the ends of the answer is kept. It would stand in every later prompt.",
        LINK,
        {"decode(answer).strip()": "decode(answer)"},
    ),
    Misconception(
        "messages-changed",
        "The conversation is right, but the list that came in was changed. Whoever holds it, to "
        "try the turn again, needs it as it was.",
        LINK,
        {ASKED: 'asked = messages\n    asked.append({"role": "user", "content": prompt})'},
    ),
    Misconception(
        "answer-alone",
        "This is the text of the answer. Wanted is the whole conversation, with the answer as its "
        "last message.",
        LINK,
        {RETURN: 'return [{"role": "assistant", "content": decode(answer).strip()}]'},
    ),
)

EXERCISE = Exercise(
    id="capstone/chat_turn",
    callable="chat_turn",
    title="A turn of the chat",
    parts={"all": 3},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    drive=drive.turn,
    misconceptions=MISCONCEPTIONS,
    alternatives=(with_itertools, with_next, with_iter_and_a_mark),
    properties=(
        Property(
            "goes-on-behind-the-mark",
            "What the model writes behind its end mark comes into the answer.",
            LINK,
            ("ended",),
            lambda ended: "+" not in str(ended["after"]),
        ),
        Property(
            "reads-beyond-the-limit",
            "With a limit of one token, more than one is read: each costs a run of the model.",
            LINK,
            ("one",),
            lambda one: one["read"] in ("0 tokens", "1 token"),
        ),
    ),
)
