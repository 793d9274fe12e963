"""fine_tuning/render_chat: a conversation as one text, to the character."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception, Property
from grading.units.fine_tuning.draw import words

LINK = "fine-tuning-template"
DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def cases(rng: np.random.Generator) -> list[Case]:
    """No message to several, with the system's and without, odd contents, both endings."""

    def say(role: str, content: str | None = None) -> dict:
        return {"role": role, "content": words(rng, 3) if content is None else content}

    system, user, reply, more = say("system"), say("user"), say("assistant"), say("user")

    def case(says, messages, prompt=True, name="", default=DEFAULT):
        inputs = {"messages": messages, "add_generation_prompt": prompt, "system_message": default}
        return Case(says, inputs, name=name)

    return [
        case("a question with a system message", [system, user], name="open"),
        case("the same without a generation prompt", [system, user], False, "closed"),
        case("a question without a system message", [user], name="default"),
        case("the same without a generation prompt", [user], False),
        case("another default for the system message", [user], default=words(rng, 4)),
        case("a default for the system message that is empty", [user], default=""),
        case("a question, a reply and another question", [system, user, reply, more], name="long"),
        case("a whole dialogue without a system message", [user, reply, more, reply], False),
        case("a system message alone", [system], name="system"),
        case("a system message that is empty", [say("system", ""), user]),
        case("a system message that comes later", [user, say("system"), more]),
        case("an assistant that begins", [reply, user]),
        case("a content with spaces and line breaks at its ends", [system, say("user", " a\n\n")]),
        case("a content that holds an end mark", [system, say("user", "<|im_end|>\n")]),
        case("a content that is empty", [system, say("user", "")]),
        case("no messages", []),
        case("no messages and no generation prompt", [], False),
        case("a content that is None", [system, {"role": "assistant", "content": None}]),
        case("a content that is a number", [system, {"role": "user", "content": 5}]),
        case("a role that is None", [system, {"role": None, "content": "a"}]),
    ]


# --- right in other ways ---------------------------------------------------------------------


def by_joining(messages, add_generation_prompt=True, system_message=DEFAULT):
    """Roles and contents as pairs; all turns joined."""
    pairs = [(message["role"], message["content"]) for message in messages]
    if pairs and pairs[0][0] != "system":
        pairs.insert(0, ("system", system_message))
    for value in (value for pair in pairs for value in pair):
        if type(value) is not str:
            raise TypeError(value)
    turns = ["<|im_start|>" + "\n".join(pair) + "<|im_end|>\n" for pair in pairs]
    return "".join(turns) + "<|im_start|>assistant\n" * bool(add_generation_prompt)


def with_a_template(messages, add_generation_prompt=True, system_message=DEFAULT):
    """One template with named places; TypeError from adding None to a text."""
    turn = "<|im_start|>{role}\n{content}<|im_end|>\n"
    begin = ""
    if len(messages) > 0 and messages[0]["role"] != "system":
        begin = turn.format(role="system", content=system_message)
    body = begin
    for message in messages:
        body += turn.format(role=message["role"] + "", content=message["content"] + "")
    return body + ("<|im_start|>assistant\n" if add_generation_prompt else "")


def by_pieces(messages, add_generation_prompt=True, system_message=DEFAULT):
    """A list of pieces, without building a second list of messages."""
    pieces = []
    for i, message in enumerate(messages):
        if i == 0 and message["role"] != "system":
            pieces += ["<|im_start|>", "system", "\n", system_message, "<|im_end|>", "\n"]
        pieces += ["<|im_start|>", message["role"], "\n", message["content"], "<|im_end|>", "\n"]
    if add_generation_prompt:
        pieces += ["<|im_start|>", "assistant", "\n"]
    return "".join(pieces)  # TypeError where a piece is no text


# --- wrong in known ways -----------------------------------------------------------------------

TURNS = "turns = list(messages)"
NO_SYSTEM = 'if turns and turns[0]["role"] != "system":'
INSERT = 'turns = [{"role": "system", "content": system_message}, *turns]'
CHECK = "if not isinstance(role, str) or not isinstance(content, str):"
ADD = 'text += f"<|im_start|>{role}\\n{content}<|im_end|>\\n"'
ASK = "if add_generation_prompt:"
PROMPT = 'text += "<|im_start|>assistant\\n"'


def _turn(text: str) -> dict[str, str]:
    return {ADD: f"text += {text}"}


MISCONCEPTIONS = (
    Misconception(
        "no-line-break-between-turns",
        "The turns stand without a line break between them. One follows every end mark.",
        LINK,
        _turn('f"<|im_start|>{role}\\n{content}<|im_end|>"'),
    ),
    Misconception(
        "no-line-break-after-role",
        "Role and content stand together. A line break follows the role.",
        LINK,
        _turn('f"<|im_start|>{role}{content}<|im_end|>\\n"'),
    ),
    Misconception(
        "space-after-role",
        "A space stands between role and content, where the template has a line break.",
        LINK,
        _turn('f"<|im_start|>{role} {content}<|im_end|>\\n"'),
    ),
    Misconception(
        "colon-after-role",
        "A colon follows the role. The template has a line break there and nothing else.",
        LINK,
        _turn('f"<|im_start|>{role}:\\n{content}<|im_end|>\\n"'),
    ),
    Misconception(
        "line-break-before-end-mark",
        "A line break stands before the end mark. The content ends right at it.",
        LINK,
        _turn('f"<|im_start|>{role}\\n{content}\\n<|im_end|>\\n"'),
    ),
    Misconception(
        "empty-line-between-turns",
        "An empty line stands between the turns. One line break follows an end mark.",
        LINK,
        _turn('f"<|im_start|>{role}\\n{content}<|im_end|>\\n\\n"'),
    ),
    Misconception(
        "no-end-mark",
        "The turns have no end mark. Without it a model cannot learn where to stop.",
        LINK,
        _turn('f"<|im_start|>{role}\\n{content}\\n"'),
    ),
    Misconception(
        "no-start-mark",
        "The turns have no start mark.",
        LINK,
        _turn('f"{role}\\n{content}<|im_end|>\\n"'),
    ),
    Misconception(
        "content-stripped",
        "White space at the ends of a content is lost. The content stands as it is.",
        LINK,
        _turn('f"<|im_start|>{role}\\n{content.strip()}<|im_end|>\\n"'),
    ),
    Misconception(
        "no-line-break-at-the-very-end",
        "The line break at the very end is missing. The model was trained to see it.",
        LINK,
        {"return text": "return text.removesuffix('\\n')"},
    ),
    Misconception(
        "prompt-without-line-break",
        "The generation prompt has no line break at its end. The model was trained to find one "
        "before every reply.",
        LINK,
        {PROMPT: 'text += "<|im_start|>assistant"'},
    ),
    Misconception(
        "prompt-closed",
        "The assistant's turn is opened and closed at once. What the model says belongs between, "
        "so the end mark is its own to say.",
        LINK,
        {PROMPT: 'text += "<|im_start|>assistant\\n<|im_end|>\\n"'},
    ),
    Misconception(
        "prompt-always",
        "The generation prompt comes in every case. Without it, a whole dialogue can be rendered "
        "to train on.",
        LINK,
        {ASK: "if True:"},
    ),
    Misconception(
        "prompt-never",
        "The generation prompt is missing where it was asked for.",
        LINK,
        {ASK: "if False:"},
    ),
    Misconception(
        "prompt-turned-round",
        "The generation prompt comes where it was not asked for, and not where it was.",
        LINK,
        {ASK: "if not add_generation_prompt:"},
    ),
    Misconception(
        "prompt-opens-users-turn",
        "The generation prompt opens the user's turn: the model would ask, not answer.",
        LINK,
        {PROMPT: 'text += "<|im_start|>user\\n"'},
    ),
    Misconception(
        "prompt-only-behind-a-question",
        "The generation prompt depends on whose message is last. Only `add_generation_prompt` "
        "decides.",
        LINK,
        {ASK: 'if add_generation_prompt and turns and turns[-1]["role"] == "user":'},
    ),
    Misconception(
        "no-system-message",
        "A conversation without a system message gets none. SmolLM2 was trained with one in front.",
        LINK,
        {NO_SYSTEM: "if False:"},
    ),
    Misconception(
        "always-a-system-message",
        "The default system message comes even where the conversation begins with its own.",
        LINK,
        {NO_SYSTEM: "if turns:"},
    ),
    Misconception(
        "default-fixed",
        "The system message is always SmolLM2's own, whatever `system_message` says.",
        LINK,
        {INSERT: INSERT.replace("system_message", f'"{DEFAULT}"')},
    ),
    Misconception(
        "empty-default-left-out",
        "Where `system_message` is empty, no turn of the system comes. An empty one was asked for.",
        LINK,
        {NO_SYSTEM: 'if turns and turns[0]["role"] != "system" and system_message:'},
    ),
    Misconception(
        "system-message-for-nobody",
        "A conversation without messages gets a system message. It should get none.",
        LINK,
        {NO_SYSTEM: 'if not turns or turns[0]["role"] != "system":'},
    ),
    Misconception(
        "system-message-anywhere",
        "A system message later in the conversation counts as if it stood in front. What matters "
        "is the first message.",
        LINK,
        {NO_SYSTEM: 'if turns and all(turn["role"] != "system" for turn in turns):'},
    ),
    Misconception(
        "system-message-at-the-end",
        "The default system message comes behind the messages. It stands in front.",
        LINK,
        {INSERT: 'turns = [*turns, {"role": "system", "content": system_message}]'},
    ),
    Misconception(
        "default-replaces-an-empty-one",
        "An empty system message was replaced by the default. It is a message like any other.",
        LINK,
        {
            NO_SYSTEM: 'if turns and turns[0] == {"role": "system", "content": ""}:\n'
            "        turns = turns[1:]\n"
            '    if turns and turns[0]["role"] != "system":'
        },
    ),
    Misconception(
        "empty-turns-left-out",
        "A turn whose content is empty is left out. It is a turn like any other, with nothing "
        "between role and end mark.",
        LINK,
        {CHECK: f"if not content:\n            continue\n        {CHECK}"},
    ),
    Misconception(
        "none-becomes-a-word",
        'What is no text is written out, None as the word "None". TypeError is wanted.',
        LINK,
        {CHECK: "if False:"},
    ),
    Misconception(
        "role-not-checked",
        "A role that is no text passes. TypeError is wanted for it, too.",
        LINK,
        {CHECK: "if not isinstance(content, str):"},
    ),
    Misconception(
        "messages-changed",
        "The list of messages that came in was changed: another message stands in it now.",
        LINK,
        {TURNS: "turns = messages",
         INSERT: 'turns.insert(0, {"role": "system", "content": system_message})'},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/render_chat",
    callable="render_chat",
    title="The chat template",
    parts={"all": 2},
    minutes=10,
    difficulty="easy",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    equivalent={"`False` for `True`": "the check hands over every argument"},
    alternatives=(by_joining, with_a_template, by_pieces),
    properties=(
        Property(
            "prompt-is-all-that-differs",
            "With and without a generation prompt, the text differs in more or less than "
            "`<|im_start|>assistant` and a line break at its end.",
            LINK,
            ("open", "closed"),
            lambda opened, closed: opened == closed + "<|im_start|>assistant\n",
        ),
        Property(
            "an-end-mark-a-turn",
            "A conversation of four messages has not four end marks.",
            LINK,
            ("long",),
            lambda text: text.count("<|im_end|>") == 4,
        ),
    ),
)
