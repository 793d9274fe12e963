"""The learner's commands, as one types them."""

import io
import re
import sys

import pytest

from grading import cli
from grading.course.errors import CourseError
from grading.course.unit import load_unit, unit_slugs
from grading.learner import record, talk
from grading.learner.solution import worked_solution
from tests.grading.learner.conftest import make_verdict

MASK = "attention/causal_mask"


def course(capsys, *arguments):
    status = cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_start_says_how_to_open_and_a_second_one_finds_it(capsys, tmp_path):
    place = tmp_path / "mine"
    status, out, _ = course(capsys, "start", "attention", "--folder", place, "--no-open")
    assert status == 0 and (place / "05_attention.ipynb").is_file()
    first, *_, last = out.splitlines()
    assert first == f"Made: {place / '05_attention.ipynb'}"
    assert last.startswith("Open it: ") and f"--ServerApp.root_dir={place}" in last
    assert sys.platform == "win32" or f"JUPYTER_CONFIG_PATH={place}" in last
    before = (place / "05_attention.ipynb").read_bytes()
    status, out, _ = course(capsys, "start", "attention", "--folder", place, "--no-open")
    assert status == 0 and out.startswith("There already: ")
    assert (place / "05_attention.ipynb").read_bytes() == before
    status, out, _ = course(capsys, "upgrade", "--folder", place)
    assert (status, out) == (0, "05_attention.ipynb is up to date.\n")


def test_progress_and_parts(capsys, place):
    record.keep(MASK, make_verdict(score=3), "def causal_mask(): ...", place)
    status, out, _ = course(capsys, "progress", "--folder", place)
    assert status == 0 and re.search(r"^  \+ The causal mask: 3 of 3$", out, re.MULTILINE)
    status, out, _ = course(capsys, "parts", "--folder", place)
    assert status == 0 and "+ causal_mask: yours" in out


def test_a_solution_is_shown_on_request_and_noted(capsys, place):
    status, out, err = course(capsys, "solution", MASK, "--folder", place)
    assert (status, out) == (1, "") and "--yes" in err  # nobody can be asked
    assert record.entry(MASK, place) is None
    status, out, _ = course(capsys, "solution", MASK, "--folder", place, "--yes")
    assert status == 0 and "def causal_mask(" in out and "(book/05_attention.md)" in out
    assert record.entry(MASK, place).shown
    assert "(solution shown)" in course(capsys, "progress", "--folder", place)[1]


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("\n", 1), ("", 1)])
def test_a_solution_asks_first(capsys, monkeypatch, place, typed, status):
    keyboard = io.StringIO(typed)
    keyboard.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", keyboard)
    assert course(capsys, "solution", MASK, "--folder", place)[0] == status
    assert (record.entry(MASK, place) is not None) == (status == 0)


@pytest.mark.parametrize(
    "arguments", [("progress",), ("parts",), ("solution", MASK, "--yes"), ("upgrade",)]
)
def test_without_a_folder_the_fix_is_named(capsys, tmp_path, arguments):
    status, _, err = course(capsys, *arguments, "--folder", tmp_path)
    assert status == 1 and "`course start` makes one" in err and err.count("\n") == 1


def test_exercises_that_there_are_none_of(capsys, place):
    status, _, err = course(capsys, "solution", "attention/none", "--folder", place, "--yes")
    assert status == 1 and "attention/causal_mask" in err


# --- talking to the model ------------------------------------------------------------------------


class Conversation:
    """One that answers with what it was asked, and was stopped where the text says so."""

    def __init__(self):
        self.asked, self.ended = [], None

    def reply(self, prompt, sampler, max_new_tokens):
        self.asked.append(prompt)
        if prompt == "too long":
            raise ValueError("the prompt is too long")
        yield from ("You said ", prompt)
        if prompt == "stop me":
            raise KeyboardInterrupt
        self.ended = prompt if prompt in talk.ENDED else "end mark"


@pytest.fixture
def conversation(monkeypatch):
    made = Conversation()
    monkeypatch.setattr(talk, "_load", lambda temperature, seed: (made, None))
    return made


def test_one_question(capsys, conversation):
    assert course(capsys, "chat", "Hello") == (0, "You said Hello\n", "")


def test_a_conversation_goes_on_until_an_empty_line(capsys, monkeypatch, conversation):
    monkeypatch.setattr("sys.stdin", io.StringIO("one\nlimit\ncontext\nstop me\nlast\n\nmore\n"))
    status, out, err = course(capsys, "chat", "--max-new-tokens", "7")
    assert status == 0 and conversation.asked == ["one", "limit", "context", "stop me", "last"]
    assert out.splitlines()[0] == "You said one" and "You said last" in out
    assert "stopped after 7 tokens" in err and "context is full" in err and "forgotten" in err


@pytest.mark.parametrize("typed", ["", "exit\nx\n", "Quit\nx\n"])
def test_ways_to_end_it(capsys, monkeypatch, conversation, typed):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert course(capsys, "chat")[:2] == (0, "") and conversation.asked == []


def test_at_a_terminal_it_says_how_to_end(capsys, monkeypatch, conversation):
    keyboard = io.StringIO("hi\n")
    keyboard.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", keyboard)
    monkeypatch.setattr("builtins.input", lambda prompt="": keyboard.readline().strip())
    _, out, err = course(capsys, "chat")
    assert "Ctrl-D ends" in err and "You said hi" in out


def test_what_does_not_fit_is_one_line(conversation):
    with pytest.raises(CourseError, match="too long"):
        talk.talk("too long", 0.0, 5, None)


def test_loading_is_said_apart_from_the_answer(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WEIGHTS", str(tmp_path / "none.gguf"))
    status, out, err = course(capsys, "chat", "Hello")
    assert (status, out) == (1, "") and err.startswith("Loading SmolLM2-135M-Instruct ...")


def test_the_unit_of_the_examples_is_there():
    assert MASK in load_unit("attention").by_id


def test_the_solution_of_a_decision_is_this_learners(place):
    decisions = [
        exercise
        for unit in map(load_unit, unit_slugs())
        for exercise in unit.exercises
        if exercise.is_decision
    ]
    assert decisions
    for exercise in decisions:
        namespace = {}
        exec(worked_solution(exercise.id, place), namespace)
        right = exercise.question(record.seed(place)).right
        assert namespace[exercise.callable]() == right
