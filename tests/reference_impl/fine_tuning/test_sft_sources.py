"""Readers of fine-tuning data: the public formats, every fault by name, nothing lost in silence."""

import csv
import gzip
import io
import json
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_impl.fine_tuning.sft_sources import (
    HHRLHF,
    SAMPLES,
    Dolly,
    FlanCoT,
    InstructGPTSamples,
    Oasst1,
    SourceError,
    read_templates,
)
from reference_impl.fine_tuning.sft_sources.source import check_turns

READERS = {
    "oasst1_trees.jsonl": Oasst1,
    "oasst1_messages.jsonl": Oasst1,
    "dolly.jsonl": Dolly,
    "hh_rlhf.jsonl.gz": HHRLHF,
    "flan_cot.tsv": FlanCoT,
    "instructgpt_samples.csv": InstructGPTSamples,
}
TEMPLATES = SAMPLES / "flan_templates.py"


def said(source):
    """What is said in each dialogue, question and answer in turn."""
    return [[message["content"] for message in dialogue.messages] for dialogue in source]


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def dolly_row(**changes):
    row = {"instruction": "Say hi.", "context": "", "response": "Hi.", "category": "open_qa"}
    return {name: value for name, value in (row | changes).items() if value is not ...}


def hh_row(chosen="\n\nHuman: Hi\n\nAssistant: Hello.", **changes):
    return {"chosen": chosen, "rejected": "\n\nHuman: Hi\n\nAssistant: No."} | changes


@pytest.fixture
def written(tmp_path):
    """Writes bytes to a file and returns its path."""

    def write(data, name="data"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


# --- The files that come with the course --------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
def test_the_samples_are_read_whole_and_without_a_fault(name):
    source = READERS[name](SAMPLES / name)
    dialogues = list(source)
    assert len(dialogues) == 12 and source.skipped == []
    for dialogue in dialogues:
        check_turns(dialogue.messages)
        assert dialogue.source == source.name and dialogue.path == SAMPLES / name
    lines = [dialogue.line for dialogue in dialogues]
    assert lines == sorted(set(lines))
    assert said(source) == said(dialogues)  # it can be read again


@pytest.mark.parametrize("name", READERS)
def test_gzip_is_read_the_same_whatever_the_name(name, written):
    data = (SAMPLES / name).read_bytes()
    other = gzip.decompress(data) if name.endswith(".gz") else gzip.compress(data)
    assert said(READERS[name](written(other))) == said(READERS[name](SAMPLES / name))


@pytest.mark.parametrize("name", READERS)
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(name, written):
    data = (SAMPLES / name).read_bytes()
    data = gzip.decompress(data) if name.endswith(".gz") else data
    other = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")
    assert said(READERS[name](written(other))) == said(READERS[name](SAMPLES / name))


def test_trees_and_flat_messages_are_the_same_dialogues():
    trees, flat = Oasst1(SAMPLES / "oasst1_trees.jsonl"), Oasst1(SAMPLES / "oasst1_messages.jsonl")
    assert said(trees) == said(flat)


# --- Samples of the public files ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["flan_cot_strategyqa.tsv", "flan_cot_gsm8k_500.tsv"])
def test_public_flan_files_give_a_dialogue_for_every_line(name, shared_data):
    rows = [line.split("\t") for line in (shared_data / name).read_text("utf-8").splitlines()]
    source = FlanCoT(shared_data / name, templates=[("{question}", "{answer}|{cot}")])
    assert said(source) == [[question, f"{answer}|{cot}"] for question, answer, cot in rows]
    assert source.skipped == []


def test_public_open_assistant_messages(shared_data, written):
    """The project's own seed messages, under the field names of its exports."""
    seeds = json.loads((shared_data / "oasst_seed_messages.json").read_text("utf-8"))
    rows = [
        {"message_id": seed["user_message_id"], "parent_id": seed["parent_message_id"]}
        | {"text": seed["text"], "role": seed["role"]}
        for seed in seeds
    ]
    first_reply = {row["parent_id"]: row for row in reversed(rows)}
    expected, faulty = [], 0
    for node in (row for row in rows if row["parent_id"] is None):
        path = [node]
        while node := first_reply.get(node["message_id"]):  # there are no ranks
            path.append(node)
        turns = [("prompter", "assistant")[i % 2] for i in range(len(path))]
        faulty += [node["role"] for node in path] != turns
        if [node["role"] for node in path] == turns:
            expected.append([node["text"] for node in path[: len(path) // 2 * 2]])
    source = Oasst1(written(jsonl(*rows)), on_error="skip")
    assert said(source) == expected and len(expected) > 60
    assert len(source.skipped) == faulty == 2  # in two trees the assistant answers itself
    assert "is the assistant's where the user's should stand" in source.skipped[0].what
    with pytest.raises(SourceError, match="line 1: '\\[' is not one whole JSON object"):
        list(Oasst1(shared_data / "oasst_seed_messages.json"))


# --- What each format means ---------------------------------------------------------------------


def test_dolly_puts_the_context_after_the_instruction(written):
    path = written(jsonl(dolly_row(context="A passage."), dolly_row(context=" \n")))
    assert said(Dolly(path)) == [["Say hi.\n\nA passage.", "Hi."], ["Say hi.", "Hi."]]


def test_hh_rlhf_reads_what_was_chosen_unless_told_otherwise():
    chosen, rejected = (
        HHRLHF(SAMPLES / "hh_rlhf.jsonl.gz"),
        HHRLHF(SAMPLES / "hh_rlhf.jsonl.gz", reply="rejected"),
    )
    with gzip.open(SAMPLES / "hh_rlhf.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    for source, name in ((chosen, "chosen"), (rejected, "rejected")):
        for row, dialogue in zip(rows, source, strict=True):
            assert row[name].endswith(f"\n\nAssistant: {dialogue.messages[-1]['content']}")
    assert {d.source for d in chosen} == {"hh-rlhf"}
    assert {d.source for d in rejected} == {"hh-rlhf, rejected"}
    with pytest.raises(ValueError, match="want 'chosen' or 'rejected'"):
        HHRLHF("x", reply="both")


contents = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: text == text.strip() and "\n\n" not in text
)


@given(st.lists(st.tuples(contents, contents), min_size=1, max_size=4))
def test_any_hh_rlhf_dialogue_comes_apart_as_it_was_put_together(tmp_path_factory, exchanges):
    text = "".join(f"\n\nHuman: {asked}\n\nAssistant: {reply}" for asked, reply in exchanges)
    path = tmp_path_factory.getbasetemp() / "hh.jsonl"
    path.write_bytes(jsonl(hh_row(text)))
    assert said(HHRLHF(path)) == [[text for exchange in exchanges for text in exchange]]


def flat(node, parent_id=None):
    """A tree's messages a row each, depth first."""
    yield {k: v for k, v in node.items() if k != "replies"} | {"parent_id": parent_id}
    for reply in node["replies"]:
        yield from flat(reply, node["message_id"])


def random_tree(rng, depth=0):
    """A tree with ranks in any order, and the texts on the path that a person would choose."""
    node = {
        "message_id": f"{rng.getrandbits(64):x}",
        "role": ("prompter", "assistant")[depth % 2],
        "text": f"text {rng.getrandbits(64)}",
        "deleted": False,
        "rank": None,
    }
    n_replies = 0 if depth == 5 else rng.randint(depth == 0, 3)
    ranks = rng.sample(range(n_replies), n_replies)
    replies, path = [], [node["text"]]
    for rank in ranks:
        reply, below = random_tree(rng, depth + 1)
        replies.append(reply | {"rank": rank})
        path = [node["text"], *below] if rank == 0 else path
    return node | {"replies": replies}, path


@given(st.integers(0, 10**6))
def test_the_path_of_best_rank_through_any_tree(tmp_path_factory, seed):
    rng = random.Random(seed)
    drawn = [random_tree(rng) for _ in range(3)]
    expected = [path[: len(path) // 2 * 2] for _, path in drawn]
    folder = tmp_path_factory.getbasetemp()
    (folder / "trees").write_bytes(jsonl(*({"prompt": tree} for tree, _ in drawn)))
    (folder / "flat").write_bytes(jsonl(*(row for tree, _ in drawn for row in flat(tree))))
    assert said(Oasst1(folder / "trees")) == said(Oasst1(folder / "flat")) == expected


def message(role="assistant", text="Hi.", replies=(), **changes):
    return {"message_id": text, "role": role, "text": text, "replies": list(replies)} | changes


def prompt(*replies, **changes):
    return {"prompt": message("prompter", "Hello?", replies) | changes}


def test_unranked_replies_come_after_ranked_ones_and_in_their_order(written):
    replies = message(text="a"), message(text="b", rank=None), message(text="c", rank=4)
    path = written(jsonl(prompt(*replies), prompt(*replies[:2]), prompt(*replies[1::-1])))
    assert said(Oasst1(path)) == [["Hello?", reply] for reply in "cab"]


def test_a_deleted_reply_is_passed_over_and_reported_with_its_own_line(written):
    gone = message(text="gone", rank=0, deleted=True, replies=[message("prompter", "still?")])
    tree = prompt(gone, message(text="kept", rank=1))
    for rows, line in (([tree], 1), (flat(tree["prompt"]), 2)):
        source = Oasst1(written(jsonl(*rows)), on_error="skip")
        assert said(source) == [["Hello?", "kept"]]
        assert [problem.line for problem in source.skipped] == [line]
        assert "a reply is deleted and passed over" in source.skipped[0].what
        with pytest.raises(SourceError, match=f"line {line}: a reply is deleted"):
            list(Oasst1(source.path))


def test_one_language_is_kept_on_demand():
    languages = {
        lang: len(list(Oasst1(SAMPLES / "oasst1_trees.jsonl", lang=lang)))
        for lang in ("en", "es", "fr", "ja", "la")
    }
    assert languages == {"en": 9, "es": 1, "fr": 1, "ja": 1, "la": 0}


def test_a_tree_without_a_language_is_not_dropped_in_silence(written):
    path = written(jsonl(prompt(message()), prompt(message(), lang="en")))
    source = Oasst1(path, on_error="skip", lang="en")
    assert [dialogue.line for dialogue in source] == [2]
    assert [str(p.line) for p in source.skipped] == ["1"] and "'lang'" in source.skipped[0].what


def test_templates_are_spread_over_the_rows_and_stay_the_same(written):
    templates = [(f"{i}: {{question}}", "{answer}") for i in range(4)]
    path = written(b"question\tanswer\tbecause\n" * 200)

    def drawn(seed):
        source = FlanCoT(path, templates=templates, seed=seed)
        return [asked[0] for asked, _ in said(source)]

    counts = [drawn(0).count(str(i)) for i in range(4)]
    assert min(counts) > 30 and sum(counts) == 200
    assert drawn(0) == drawn(0) != drawn(1)


def test_braces_in_a_row_are_not_placeholders(written):
    path = written(b"what is {answer}?\t{0}\t{cot}\n")
    source = FlanCoT(path, templates=[("{question}", "{chain_of_thought} {answer}")])
    assert said(source) == [["what is {answer}?", "{cot} {0}"]]


def test_templates_are_read_from_the_file_that_flan_publishes():
    templates = read_templates(TEMPLATES, "cot_yes_no")
    assert len(templates) == 3
    assert templates[2] == (
        "{question} Answer first, then explain.",
        "{answer}. {chain_of_thought}",
    )
    assert said(FlanCoT(SAMPLES / "flan_cot.tsv", templates=templates))


def test_reading_templates_runs_nothing(written, capsys):
    path = written(
        b'print("ran")\nimport missing_module\nPATTERNS = {"a": [("{question}", "b")]}\n'
    )
    assert read_templates(path, "a") == [("{question}", "b")]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PATTERNS = {", "no readable table PATTERNS"),
        ("OTHER = {}", "no readable table PATTERNS"),
        ('PATTERNS = {"a": open("secret")}', "no readable table PATTERNS"),
        ('PATTERNS = {"b": [], "a": []}', "no task 'missing'; take one of a, b"),
    ],
)
def test_a_file_without_the_templates_is_refused(written, text, message):
    with pytest.raises(SourceError, match=message):
        read_templates(written(text.encode()), "missing")


@pytest.mark.parametrize("text", ["{options_}", "{}", "{question.x}", "{question!r}", "{cot:>9}"])
def test_a_template_that_no_row_can_fill_is_refused(text):
    with pytest.raises(ValueError, match="asks for {.*}, but a row fills only question, answer"):
        FlanCoT("x", templates=[("{question}", text)])


def test_no_templates_are_refused():
    with pytest.raises(ValueError, match="there are no templates"):
        FlanCoT("x", templates=[])


def test_instructgpt_samples_of_one_model():
    path = SAMPLES / "instructgpt_samples.csv"
    each = [
        said(InstructGPTSamples(path, model_type=m)) for m in ("gpt-xl", "sft-xl", "ppo-ptx-xl")
    ]
    assert [len(dialogues) for dialogues in each] == [4, 4, 4]
    assert each[1][0] == ["Can fish drown?", "Yes. A fish in water without oxygen can suffocate."]
    assert each[2][3][1] == 'Their "righting reflex" turns them round while they fall.'


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=9
).map(lambda text: f"a{text}")


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_any_text_comes_out_of_a_csv_with_the_line_it_began_on(tmp_path_factory, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", "model_type", "context", "ref_text", "sample"])
    lines = []
    for number, (context, sample) in enumerate(rows):
        lines.append(text.getvalue().count("\n") + 1)
        writer.writerow([number, "sft-xl", context, "reference", sample])
    path = tmp_path_factory.getbasetemp() / "samples.csv"
    path.write_bytes(text.getvalue().encode())
    dialogues = list(InstructGPTSamples(path))
    assert said(dialogues) == [list(row) for row in rows]
    assert [dialogue.line for dialogue in dialogues] == lines


# --- Faults of single rows ----------------------------------------------------------------------

HEADER = b",model_type,prompt_type,question,answer\n"
USER, ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "
ROW_FAULTS = {
    "not json": (Dolly, b"oops\n", "'oops' is not one whole JSON object"),
    "cut line": (Dolly, jsonl(dolly_row())[:-9], "the file is cut short"),
    "json array": (Dolly, b"[1]\n", "a list stands where a JSON object should"),
    "json number": (Dolly, b"7\n", "a whole number stands where a JSON object should"),
    "nested without end": (Dolly, b"[" * 10**5 + b"\n", "is not one whole JSON object"),
    "missing field": (
        Dolly,
        jsonl(dolly_row(response=...)),
        "no field 'response', only instruction, context, category: add it",
    ),
    "missing category": (Dolly, jsonl(dolly_row(category=...)), "no field 'category'"),
    "empty object": (Dolly, b"{}\n", "no field 'instruction', only nothing"),
    "number for text": (
        Dolly,
        jsonl(dolly_row(response=3)),
        "field 'response' is a whole number, but should be a text",
    ),
    "null for text": (Dolly, jsonl(dolly_row(context=None)), "field 'context' is null"),
    "list for text": (Dolly, jsonl(dolly_row(instruction=[])), "field 'instruction' is a list"),
    "empty answer": (
        Dolly,
        jsonl(dolly_row(response=" ")),
        "message 2, the assistant's, is empty: fill it in",
    ),
    "empty question": (Dolly, jsonl(dolly_row(instruction="")), "message 1, the user's, is empty"),
    "latin-1": (
        Dolly,
        b'{"instruction": "na\xefve"}\n',
        "byte 0xef is not UTF-8: convert the file first",
    ),
    "half a character": (
        Dolly,
        jsonl(dolly_row(response="x\ud83d")),
        "message 2 holds half a character",
    ),
    "no turn": (HHRLHF, jsonl(hh_row("Hello")), "begins with 'Hello' and not with a turn"),
    "text before the first turn": (HHRLHF, jsonl(hh_row("x" + USER + "a")), "begins with 'x"),
    "no reply": (HHRLHF, jsonl(hh_row(USER + "Hi")), "no reply of the assistant to learn from"),
    "question last": (
        HHRLHF,
        jsonl(hh_row(USER + "Hi" + ASSISTANT + "Hello" + USER + "Well?")),
        "the last message has no reply of the assistant: remove it",
    ),
    "two questions": (
        HHRLHF,
        jsonl(hh_row(USER + "Hi" + USER + "Hi" + ASSISTANT + "Yes")),
        "message 2 is the user's where the assistant's should stand",
    ),
    "empty turn": (HHRLHF, jsonl(hh_row(USER + "Hi" + ASSISTANT)), "message 2, .*, is empty"),
    "no rejected": (HHRLHF, jsonl({"chosen": USER + "a" + ASSISTANT + "b"}), "no field 'rejected'"),
    "a tab too few": (FlanCoT, b"question\tanswer\n", "2 columns instead of 3 .*exactly one tab"),
    "a tab too many": (FlanCoT, b"a\tb\tc\td\n", "4 columns instead of 3"),
    "empty cell": (FlanCoT, b"a\t\tc\n", "the answer is empty: fill it in"),
    "prompt deleted": (
        Oasst1,
        jsonl(prompt(message(), deleted=True)),
        "the prompt is deleted: leave the tree out, or take the 'ready' file",
    ),
    "prompt unanswered": (Oasst1, jsonl(prompt()), "no reply of the assistant to learn from"),
    "replies null": (Oasst1, jsonl(prompt(replies=None)), "no reply of the assistant"),
    "prompt is a list": (Oasst1, jsonl({"prompt": []}), "field 'prompt' is a list"),
    "replies are a text": (Oasst1, jsonl(prompt(replies="x")), "'replies' is no list of objects"),
    "a reply is a text": (Oasst1, jsonl(prompt("x")), "'replies' is no list of objects"),
    "unknown role": (
        Oasst1,
        jsonl(prompt(message("bot"))),
        "role 'bot' is unknown: write 'prompter' or 'assistant'",
    ),
    "no text": (Oasst1, jsonl(prompt({"role": "assistant"})), "no field 'text', only role"),
    "rank is a text": (Oasst1, jsonl(prompt(message(rank="1"))), "field 'rank' is a text"),
    "rank is true": (Oasst1, jsonl(prompt(message(rank=True))), "field 'rank' is true or false"),
    "two prompters": (
        Oasst1,
        jsonl(prompt(message("prompter"))),
        "no reply of the assistant to learn from",
    ),
    "neither tree nor message": (Oasst1, b'{"thread_id": "1"}\n', "no field 'message_id', only"),
    "orphan": (
        Oasst1,
        jsonl(message(parent_id="elsewhere")),
        "the message it answers, elsewhere, is not before it in the same tree: put",
    ),
    "parent is a list": (Oasst1, jsonl(message(parent_id=[])), "field 'parent_id' is a list"),
    "a cell too many": (
        InstructGPTSamples,
        HEADER + b"0,sft-xl,QA prompt,Why,so,much\n",
        "6 cells under 5 columns: quote a cell",
    ),
    "a cell too few": (InstructGPTSamples, HEADER + b"0,sft-xl,QA\n", "3 cells under 5 columns"),
    "latin-1 in a cell": (
        InstructGPTSamples,
        HEADER + b"0,sft-xl,QA prompt,na\xefve,yes\n",
        "byte 0xef is not UTF-8",
    ),
    "quote left open": (
        InstructGPTSamples,
        HEADER + b'0,sft-xl,QA prompt,"Why,yes\n',
        "unexpected end of data: close every quote",
    ),
}


@pytest.mark.parametrize(("reader", "data", "what"), ROW_FAULTS.values(), ids=ROW_FAULTS)
def test_a_bad_row_is_refused_with_its_file_and_line(written, reader, data, what):
    path = written(data)
    line = 2 if data.startswith(HEADER) else 1
    advice = r"Or read with on_error='skip'"
    with pytest.raises(SourceError, match=rf"data, line {line}: .*{what}.*{advice}"):
        list(reader(path))


@pytest.mark.parametrize(("reader", "data", "what"), ROW_FAULTS.values(), ids=ROW_FAULTS)
def test_a_bad_row_is_left_out_and_listed_and_the_others_are_read(written, reader, data, what):
    name = next(name for name, kind in READERS.items() if kind is reader)
    good = (SAMPLES / name).read_bytes()
    good = gzip.decompress(good) if name.endswith(".gz") else good
    n_lines = good.count(b"\n")
    if data.startswith(HEADER):  # the sample's own header stands on top; it has two columns more
        data = data.removeprefix(HEADER)
    source = reader(written(good + data), on_error="skip")
    assert len(said(source)) == 12
    assert [problem.line for problem in source.skipped] == [n_lines + 1]
    again = said(source)
    assert len(source.skipped) == 1 and len(again) == 12  # counted anew in every pass


def test_what_was_skipped_can_be_printed(written):
    source = Dolly(written(b"oops\n" + jsonl(dolly_row(), dolly_row(response=1))), on_error="skip")
    assert said(source) == [["Say hi.", "Hi."]]
    first, second = map(str, source.skipped)
    assert first.startswith(f"{source.path}, line 1: 'oops' is not")
    assert second.startswith(f"{source.path}, line 3: field 'response' is a whole number")


def test_a_bad_message_takes_only_what_hangs_under_it_along(written):
    tree = prompt(message(text="a", replies=[message("prompter", "b", [message(text="c")])]))
    rows = list(flat(tree["prompt"]))
    del rows[2]["text"]
    good = flat(prompt(message(text="d"))["prompt"])
    source = Oasst1(written(jsonl(*rows, *good)), on_error="skip")
    assert said(source) == [["Hello?", "a"], ["Hello?", "d"]]
    broken, orphan = source.skipped
    assert broken.line == 3 and "no field 'text'" in broken.what
    assert orphan.line == 4 and "the message it answers, b, is not before it" in orphan.what


def test_a_message_that_comes_twice_in_a_tree(written):
    rows = list(flat(prompt(message())["prompt"]))
    source = Oasst1(written(jsonl(*rows, rows[1])), on_error="skip")
    assert said(source) == [["Hello?", "Hi."]]
    assert "message Hi. came before in this tree: remove one" in source.skipped[0].what


def test_another_word_for_what_to_do_with_a_bad_row_is_refused():
    with pytest.raises(ValueError, match="on_error is 'ignore'; want 'refuse' or 'skip'"):
        Dolly("x", on_error="ignore")


# --- Faults of whole files: never passed over ---------------------------------------------------

GZIPPED = gzip.compress(
    jsonl(*[dolly_row(response=str(random.Random(i).random())) for i in range(9)])
)
FILE_FAULTS = {
    "empty": (b"", "is empty: download it again"),
    "blank": (b"\n \n\n", "has no rows, only blank lines"),
    "half-written gzip": (GZIPPED[:-40], "damaged or half-written gzip file .* download it again"),
    "gzip without its end": (GZIPPED[:-4], "half-written gzip"),
    "gzip's first bytes only": (GZIPPED[:2], "half-written gzip"),
    "utf-16": (jsonl(dolly_row()).decode().encode("utf-16"), "is UTF-16.*iconv -f utf-16 -t utf-8"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
}


@pytest.mark.parametrize("on_error", ["refuse", "skip"])
@pytest.mark.parametrize(("data", "what"), FILE_FAULTS.values(), ids=FILE_FAULTS)
def test_a_file_damaged_as_a_whole_is_refused_in_any_case(written, data, what, on_error):
    with pytest.raises(SourceError, match=what):
        list(Dolly(written(data), on_error=on_error))


@pytest.mark.parametrize("length", range(2, len(GZIPPED)))
def test_gzip_cut_anywhere_is_noticed(written, length):
    with pytest.raises(SourceError, match="half-written gzip"):
        list(Dolly(written(GZIPPED[:length]), on_error="skip"))


def test_a_changed_byte_in_gzip_is_noticed_at_the_end_of_the_file(written):
    """The lines before may look sound or not; gzip's checksum comes last."""
    data = GZIPPED[:60] + bytes([GZIPPED[60] ^ 255]) + GZIPPED[61:]
    with pytest.raises(SourceError, match="damaged or half-written gzip file"):
        list(Dolly(written(data), on_error="skip"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a,b\n1,2\n", "line 1: the columns a, b are not those of InstructGPT's samples"),
        (b",model_type,question\n", "the columns model_type, question are not those"),
        (HEADER, "has no rows, only a header"),
        (b"\n\n", "the columns  are not those"),
        (b"", "is empty"),
    ],
)
def test_a_csv_without_its_header_or_rows_is_refused(written, data, what):
    with pytest.raises(SourceError, match=what):
        list(InstructGPTSamples(written(data), on_error="skip"))


@pytest.mark.parametrize("reader", dict.fromkeys(READERS.values()))
def test_a_missing_file_is_named(reader, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*nothing.*: give the path of the public"):
        list(reader(tmp_path / "nothing"))


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "large.jsonl.gz"

    def peak(n_rows):
        row = jsonl(dolly_row(response="x" * 1000))
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(n_rows):
                file.write(row)
        tracemalloc.start()
        try:
            assert sum(1 for _ in Dolly(path)) == n_rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(3000) < 1.5 * peak(300)  # 3 MB of text against 0.3 MB


# --- What the sources' own writing stands for ---------------------------------------------------


def test_flan_s_line_breaks_are_line_breaks(written):
    row = rb"Which?\nOPTIONS:\n- yes" b"\tyes\t" rb"First.\nThen \frac{1}{2} and C:\temp." b"\n"
    source = FlanCoT(written(row), templates=[("{question}", "{cot}|{answer}")])
    asked, answered = said(source)[0]
    assert asked == "Which?\nOPTIONS:\n- yes"
    assert answered == "First.\nThen \\frac{1}{2} and C:\\temp.|yes"


def test_a_cell_of_any_length(written):
    long = "x" * 200_000 + '\n"quoted", and more'
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(["0", "sft-xl", "none", "Why?", long])
    limit = csv.field_size_limit()
    assert said(InstructGPTSamples(written(HEADER + text.getvalue().encode()))) == [["Why?", long]]
    assert csv.field_size_limit() == limit


def test_a_model_that_is_not_in_the_file_is_named(written):
    data = HEADER + b'0,sft-xl,none,Why?,"So."\n1,gpt-xl,none,Why?,"So."\n'
    with pytest.raises(SourceError, match="no reply of model_type 'ppo': take one of gpt-xl, sft-"):
        list(InstructGPTSamples(written(data), model_type="ppo"))


def test_a_column_that_comes_twice_is_refused(written):
    data = b"model_type,question,answer,answer\nsft-xl,Why?,So.,Or so.\n"
    with pytest.raises(SourceError, match="several columns 'answer'"):
        list(InstructGPTSamples(written(data)))


def test_a_field_that_comes_twice_is_refused(written):
    row = (
        b'{"instruction": "a", "context": "", "response": "b", "response": "c", "category": "d"}\n'
    )
    with pytest.raises(SourceError, match="line 1: field 'response' comes twice"):
        list(Dolly(written(row)))
