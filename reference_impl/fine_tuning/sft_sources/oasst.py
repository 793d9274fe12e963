"""OpenAssistant Conversations (OASST1): trees of messages, ranked by people (Köpf et al. 2023).

161,443 messages in 35 languages and 66,497 trees, Apache-2.0. A tree is not a conversation: a
prompt has several replies, a reply several follow-ups. Read here is one path through each tree,
at every fork to the reply of best rank. The public files are
`2023-04-12_oasst_ready.trees.jsonl.gz` and `2023-04-12_oasst_ready.messages.jsonl.gz`; those with
"all" in the place of "ready" also hold prompts that nobody answered, and deleted messages.
"""

from collections.abc import Iterator
from os import PathLike
from typing import Any

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.source import BadRow, Source, field, json_object

ROLES = {"prompter": "user", "assistant": "assistant"}
Node = dict[str, Any]  # a message with its "replies", which are nodes too


class Oasst1(Source):
    """A tree a line (`{"prompt": {..., "replies": [...]}}`), or a message a line (`message_id`,
    `parent_id`), where a tree's messages follow one another, each after the one it answers.

    A deleted reply is passed over with all that answers it, and reported. `lang` keeps the trees
    whose prompt is in that language. One tree is in memory at a time.
    """

    name = "oasst1"

    def __init__(
        self, path: str | PathLike, on_error: str = "refuse", lang: str | None = None
    ) -> None:
        super().__init__(path, on_error)
        self.lang = lang

    def rows(self) -> Iterator[tuple[int, Node]]:
        """Each wanted tree's prompt, with its replies inside, and the prompt's line."""
        for line, prompt in self.trees():
            if self.lang in (None, prompt.get("lang", self.lang)):
                yield line, prompt

    def trees(self) -> Iterator[tuple[int, Node]]:
        """The same for all trees, from either kind of file."""
        tree: dict[str, Node] = {}  # the messages of a tree that come a line each, by id
        for line, text in super().rows():
            try:
                record = json_object(text)
                if "prompt" in record:
                    yield line, field(record, "prompt", dict)
                    continue
                if tree and record.get("parent_id") is None:
                    yield root_of(tree)
                    tree = {}
                add_message(tree, record, line)
            except BadRow as error:
                self.report(line, error)
        if tree:
            yield root_of(tree)

    def messages(self, line: int, row: Node) -> list[Message]:
        if self.lang is not None:
            field(row, "lang", str)
        if row.get("deleted"):
            raise BadRow("the prompt is deleted: leave the tree out, or take the 'ready' file")
        path, node = [], row
        while node is not None:
            path.append(message_of(node))
            node = min(self.kept_replies(line, node), key=rank, default=None)
        if len(path) > 2 and path[-1]["role"] == "user":
            path.pop()  # a follow-up that nobody answered
        return path

    def kept_replies(self, line: int, node: Node) -> list[Node]:
        """The replies to a message that are not deleted; those that are get reported."""
        kept = []
        for reply in replies_of(node):
            if reply.get("deleted"):
                what = "a reply is deleted and passed over: remove it, or take the 'ready' file"
                self.report(reply.get("line", line), BadRow(what))
            else:
                kept.append(reply)
        return kept


def add_message(tree: dict[str, Node], record: Node, line: int) -> None:
    """Hang a message that came on a line of its own under the one it answers. Raises BadRow."""
    message_id, parent_id = field(record, "message_id", str), record.get("parent_id")
    message_of(record)  # a fault is best reported with the message's own line
    if message_id in tree:
        raise BadRow(f"message {message_id} came before in this tree: remove one of the two")
    node = record | {"replies": [], "line": line}
    if parent_id is not None:
        if field(record, "parent_id", str) not in tree:
            raise BadRow(
                f"the message it answers, {parent_id}, is not before it in the same tree: put the "
                "messages of each tree together in the order of the conversation"
            )
        tree[parent_id]["replies"].append(node)
    tree[message_id] = node


def root_of(tree: dict[str, Node]) -> tuple[int, Node]:
    """The line and the node of a tree's prompt, which came first."""
    prompt = next(iter(tree.values()))
    return prompt["line"], prompt


def message_of(node: Node) -> Message:
    """A node as a message of a chat. Raises BadRow."""
    role = field(node, "role", str)
    if role not in ROLES:
        raise BadRow(f"role {role!r} is unknown: write 'prompter' or 'assistant'")
    return {"role": ROLES[role], "content": field(node, "text", str)}


def replies_of(node: Node) -> list[Node]:
    """The replies to a message, which may be missing or null. Raises BadRow."""
    replies = node.get("replies") or []
    if not isinstance(replies, list) or not all(isinstance(reply, dict) for reply in replies):
        raise BadRow("field 'replies' is no list of objects: correct it")
    return replies


def rank(reply: Node) -> tuple[bool, int]:
    """A key that sorts the best reply first (its rank is 0) and those without a rank last."""
    if reply.get("rank") is None:
        return (True, 0)
    return (False, field(reply, "rank", int))
