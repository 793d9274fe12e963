"""fine_tuning/best_path: one conversation out of a ranked tree."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception
from grading.units.fine_tuning.draw import words

LINK = "fine-tuning-tree"


def cases(rng: np.random.Generator) -> list[Case]:
    """Ranks in every order, missing ranks, deleted replies, paths of all lengths."""

    def node(depth: int, *replies, rank=0, **more) -> dict:
        role = ("prompter", "assistant")[depth % 2]
        found = {"role": role, "text": words(rng, 3), "rank": rank, **more}
        return found | {"replies": list(replies)} if replies else found

    def case(says, tree, name=""):
        return Case(says, {"prompt": tree}, name=name)

    def answers(*ranks, **more):
        return [node(1, rank=rank, **more) for rank in ranks]

    deep = node(2, node(3), rank=0)
    three = answers(2, 0, 1)
    return [
        case("a prompt and one reply", node(0, *answers(0)), "one"),
        case("the best reply first", node(0, *answers(0, 1, 2)), "first"),
        case("the best reply last", node(0, *answers(2, 1, 0)), "last"),
        case("the best reply in the middle", node(0, *answers(3, 1, 5)), "middle"),
        case("three replies", node(0, *three) | {"text": "Why?"}, "three"),
        case("the same three in another order",
             node(0, *reversed(three)) | {"text": "Why?"}, "reversed"),
        case("ranks of two digits", node(0, *answers(10, 9, 11))),
        case("replies without a rank", node(0, *answers(None, None))),
        case("a rank behind one that is missing", node(0, *answers(None, 4, 6))),
        case("a rank before one that is missing", node(0, *answers(2, None))),
        case("two replies of equal rank", node(0, *answers(1, 1))),
        case("replies without a field for the rank", node(0, _without(answers(0)[0], "rank"))),
        case("the best reply deleted", node(0, node(1, deleted=True), *answers(1, 2)), "deleted"),
        case("a deleted reply that has follow-ups",
             node(0, node(1, node(2, node(3)), deleted=True), node(1, rank=1))),
        case("all replies deleted", node(0, *answers(0, 1, deleted=True))),
        case("a reply that is marked as not deleted", node(0, *answers(0, 1, deleted=False))),
        case("four messages", node(0, node(1, deep)), "four"),
        case("a follow-up that nobody answered", node(0, node(1, node(2))), "unanswered"),
        case("a follow-up whose replies are deleted",
             node(0, node(1, node(2, node(3, deleted=True))))),
        case("a better reply with fewer follow-ups", node(0, node(1, deep, rank=1), node(1)),
             "short"),
        case("a better reply that comes first and has no follow-ups",
             node(0, node(1), node(1, deep, rank=1))),
        case("a better follow-up under a worse reply",
             node(0, node(1, node(2, node(3), rank=0), rank=3),
                  node(1, node(2, node(3), rank=2), node(2, node(3), rank=1), rank=1))),
        case("a prompt without replies", node(0)),
        case("replies that are None", node(0) | {"replies": None}),
        case("an empty list of replies", node(0) | {"replies": []}),
        case("further fields", node(0, node(1, lang="en"), lang="en", message_id="a")),
    ]  # fmt: skip


def _without(record: dict, name: str) -> dict:
    return {key: value for key, value in record.items() if key != name}


# --- right in other ways ---------------------------------------------------------------------


def recursively(prompt):
    """The path behind each message, without the last question."""

    def behind(node):
        kept = [r for r in node.get("replies") or () if r.get("deleted") is not True]
        kept.sort(key=lambda r: (r.get("rank") is None, r.get("rank") or 0))
        rest = behind(kept[0]) if kept else []
        if not rest and node["role"] == "prompter":
            return []
        name = {"prompter": "user"}.get(node["role"], "assistant")
        return [{"role": name, "content": node["text"]}, *rest]

    return behind(prompt)


def by_comparing(prompt):
    """A loop that remembers the best so far."""
    messages, current = [], prompt
    while current:
        role = "user" if current["role"] == "prompter" else "assistant"
        messages.append({"role": role, "content": current["text"]})
        best, best_rank = None, None
        for reply in current.get("replies") or []:
            if "deleted" in reply and reply["deleted"]:
                continue
            rank = reply.get("rank")
            rank = 10**9 if rank is None else rank
            if best is None or rank < best_rank:
                best, best_rank = reply, rank
        current = best
    return messages[: len(messages) // 2 * 2]


def in_pairs(prompt):
    """Two messages at a time: a question, and its best answer."""

    def best(node):
        replies = [r for r in (node.get("replies") or []) if not r.get("deleted", False)]
        with_rank = [r for r in replies if r.get("rank") is not None]
        pool = sorted(with_rank, key=lambda r: r["rank"]) or replies
        return pool[0] if pool else None

    out, question = [], prompt
    while question is not None and (answer := best(question)) is not None:
        out.append({"role": "user", "content": question["text"]})
        out.append({"role": "assistant", "content": answer["text"]})
        question = best(answer)
    return out


# --- wrong in known ways -----------------------------------------------------------------------

ROLES = 'roles = {"prompter": "user", "assistant": "assistant"}'
APPEND = 'path.append({"role": roles[node["role"]], "content": node["text"]})'
REPLIES = 'replies = node.get("replies") or []'
KEPT = 'kept = [reply for reply in replies if not reply.get("deleted")]'
RANKED = 'ranked = [(math.inf if r.get("rank") is None else r["rank"], r) for r in kept]'
BEST = "node = min(ranked, key=lambda pair: pair[0], default=(0, None))[1]"
LAST = 'if path[-1]["role"] == "user":'
POP = "path.pop()"
RETURN = "return path"

MISCONCEPTIONS = (
    Misconception(
        "worst-reply",
        "The path goes to the reply of the highest rank. Rank 0 is the best.",
        LINK,
        {BEST: BEST.replace("min", "max")},
    ),
    Misconception(
        "first-reply",
        "The path goes to the first reply, whatever the ranks.",
        LINK,
        {BEST: "node = kept[0] if kept else None"},
    ),
    Misconception(
        "last-reply",
        "The path goes to the last reply, whatever the ranks.",
        LINK,
        {BEST: "node = kept[-1] if kept else None"},
    ),
    Misconception(
        "last-of-equals",
        "Of replies of equal rank the last is taken. The first was asked for.",
        LINK,
        {BEST: "node = min(ranked[::-1], key=lambda pair: pair[0], default=(0, None))[1]"},
    ),
    Misconception(
        "no-rank-is-best",
        "A reply without a rank counts as the best. It comes after all that have one.",
        LINK,
        {RANKED: 'ranked = [(r.get("rank") or 0, r) for r in kept]'},
    ),
    Misconception(
        "rank-0-is-none",
        "A reply of rank 0 counts as one without a rank. 0 is a rank, and the best; in Python it "
        "counts as False.",
        LINK,
        {RANKED: 'ranked = [(r.get("rank") or math.inf, r) for r in kept]'},
    ),
    Misconception(
        "no-rank-left-out",
        "Replies without a rank are left out. They come last, and may be the only ones.",
        LINK,
        {RANKED: 'ranked = [(r["rank"], r) for r in kept if r.get("rank") is not None]'},
    ),
    Misconception(
        "ranks-as-text",
        "Ranks are compared as text, where 10 comes before 9.",
        LINK,
        {RANKED: RANKED.replace("math.inf", '"inf"').replace('r["rank"], r', 'str(r["rank"]), r')},
    ),
    Misconception(
        "deleted-kept",
        "A deleted reply is in the conversation.",
        LINK,
        {KEPT: "kept = list(replies)"},
    ),
    Misconception(
        "stops-at-deleted",
        "Where the best reply is deleted, the path ends. It goes on to the best of the others.",
        LINK,
        {KEPT: "kept = list(replies)",
         BEST: BEST + '\n        if node is not None and node.get("deleted"):\n'
                      "            node = None"},
    ),
    Misconception(
        "any-mark-deletes",
        "A reply that has a field `deleted` is passed over, although the field says False.",
        LINK,
        {KEPT: 'kept = [reply for reply in replies if "deleted" not in reply]'},
    ),
    Misconception(
        "ends-with-a-question",
        "The conversation ends with a question that nobody answered: there is nothing to learn "
        "behind it.",
        LINK,
        {LAST: "if False:"},
    ),
    Misconception(
        "prompt-alone-kept",
        "A prompt without replies is returned. An empty list is wanted, since nobody answered.",
        LINK,
        {LAST: 'if len(path) > 2 and path[-1]["role"] == "user":'},
    ),
    Misconception(
        "last-answer-dropped",
        "The last message is dropped even where it is the assistant's.",
        LINK,
        {LAST: "if len(path) > 1:"},
    ),
    Misconception(
        "one-exchange",
        "The path ends after the first reply. It goes on as long as there are replies.",
        LINK,
        {RETURN: "return path[:2]"},
    ),
    Misconception(
        "prompt-missing",
        "The prompt itself is missing: the path begins with a reply.",
        LINK,
        {RETURN: "return path[1:]"},
    ),
    Misconception(
        "longest-path",
        "The path goes to the reply with the most follow-ups. Ranks decide.",
        LINK,
        {BEST: "def depth(n):\n"
               '            return 1 + max(map(depth, n.get("replies") or []), default=0)\n\n'
               "        node = max(kept, key=depth, default=None)"},
    ),
    Misconception(
        "whole-tree",
        "All messages of the tree are returned. One path through it was asked for.",
        LINK,
        {RETURN: "path, stack = [], [prompt]\n"
                 "    while stack:\n"
                 "        node = stack.pop(0)\n"
                 '        path.append({"role": roles[node["role"]], "content": node["text"]})\n'
                 '        stack = (node.get("replies") or []) + stack\n'
                 "    return path"},
    ),
    Misconception(
        "roles-not-renamed",
        'The role is "prompter". The template knows "user".',
        LINK,
        {ROLES: 'roles = {"prompter": "prompter", "assistant": "assistant"}',
         LAST: 'if path[-1]["role"] == "prompter":'},
    ),
    Misconception(
        "text-not-content",
        'A message has its words under "text". The template wants "content".',
        LINK,
        {APPEND: 'path.append({"role": roles[node["role"]], "text": node["text"]})'},
    ),
    Misconception(
        "all-fields-kept",
        "The messages have more than a role and a content.",
        LINK,
        {APPEND: APPEND + '\n        path[-1]["rank"] = node.get("rank")'},
    ),
    Misconception(
        "texts-alone",
        "Texts are returned without their roles.",
        LINK,
        {RETURN: 'return [message["content"] for message in path]'},
    ),
)  # fmt: skip

EXERCISE = Exercise(
    id="fine_tuning/best_path",
    callable="best_path",
    title="A conversation out of a tree",
    parts={"all": 2},
    minutes=12,
    difficulty="medium",
    link=LINK,
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(recursively, by_comparing, in_pairs),
    equivalent={
        "`min(ranked, key=lambda pair: pair[0], default=(0, None))[-1]` for "
        "`min(ranked, key=lambda pair: pair[0], default=(0, None))[1]`": "pairs have two items",
        "`1` for `0`": "the number beside no reply is not used",
    },
)
