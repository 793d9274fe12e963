"""HH-RLHF: pairs of dialogues of which people chose one (Bai et al. 2022).

160,800 pairs to train on and 8,552 to test, MIT. They are preferences, made to train a model that
judges replies; their card says they are not meant for supervised training of dialogue agents.
The public files are `train.jsonl.gz` and `test.jsonl.gz` of each part.
"""

import re
from os import PathLike

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.source import BadRow, Source, field, json_object

ROLES = {"Human": "user", "Assistant": "assistant"}
TURN = re.compile(r"\n\n(Human|Assistant):")


class HHRLHF(Source):
    """`{"chosen": ..., "rejected": ...}`, one a line; each is a whole dialogue as one text.

    It reads what was chosen. `reply="rejected"` reads the other one, for comparing: never train on
    it. The two differ in their last reply, sometimes earlier.
    """

    name = "hh-rlhf"

    def __init__(
        self, path: str | PathLike, on_error: str = "refuse", reply: str = "chosen"
    ) -> None:
        super().__init__(path, on_error)
        if reply not in ("chosen", "rejected"):
            raise ValueError(f"reply is {reply!r}; want 'chosen' or 'rejected'")
        self.reply = reply
        if reply == "rejected":
            self.name = "hh-rlhf, rejected"  # so that no dialogue can be taken for a chosen one

    def messages(self, line: int, row: str) -> list[Message]:
        record = json_object(row)
        texts = {name: field(record, name, str) for name in ("chosen", "rejected")}
        return split_turns(texts[self.reply])


def split_turns(text: str) -> list[Message]:
    """The messages of a dialogue in one text. Raises BadRow where it does not begin with a turn.

    >>> split_turns("\\n\\nHuman: Hi\\n\\nAssistant: Hello.\\nYes?")
    [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello.\\nYes?'}]
    """
    before, *turns = TURN.split(text)
    if before.strip() or not turns:
        raise BadRow(
            f"the dialogue begins with {text[:20]!r} and not with a turn: write "
            r"'\n\nHuman: ' and '\n\nAssistant: ' before the turns"
        )
    return [
        {"role": ROLES[speaker], "content": content.strip()}
        for speaker, content in zip(turns[::2], turns[1::2], strict=True)
    ]
