"""After a check: it is noted with its text, and the learner sees how far they are."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from grading.course.unit import load_unit, unit_slugs
from grading.home import CallError, check_at_home, given_at_home, own_seed
from grading.learner import noting, progress, record, shown
from tests.grading.learner.conftest import make_verdict

MASK = "attention/causal_mask"
WRITTEN = "def causal_mask(q_seq, kv_seq=None): ..."
CELL = """
import torch
print("not part of it")
OFFSET = 0

def helper(n):
    return torch.arange(n)

def causal_mask(q_seq, kv_seq=None):
    kv_seq = q_seq if kv_seq is None else kv_seq
    return helper(kv_seq)[None, :] <= helper(q_seq)[:, None] + kv_seq - q_seq + OFFSET
"""


@pytest.fixture
def shell():
    """A notebook's kernel as far as cells and their text go."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def at_home(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.delenv("NBGRADER_VALIDATING", raising=False)
    return place


def cell(shell, text, name):
    assert shell.run_cell(text).success
    return shell.user_ns[name]


def test_the_text_of_an_answer_is_what_its_cell_defines(shell, capsys):
    text = noting.source_of(cell(shell, CELL, "causal_mask"))
    namespace = {}
    exec(compile(text, "piece", "exec"), namespace)
    assert namespace["causal_mask"](3).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert "not part of it" not in text and "print" not in text


def test_the_text_of_a_class(shell):
    text = "class Count:\n    n = 0\n\n    def up(self):\n        return self.n + 1"
    assert noting.source_of(cell(shell, text, "Count")) == text


def test_a_cell_with_a_magic(shell):
    made = cell(shell, "%precision 3\ndef f(x):\n    return x\n", "f")
    assert "def f(x):\n    return x" in noting.source_of(made)


@pytest.mark.parametrize("answer", [None, len, type, 3, lambda: 1])
def test_answers_that_have_no_text(answer):
    text = noting.source_of(answer)
    assert text is None or "def test_answers_that_have_no_text" in text  # a lambda has its file's


def test_a_check_is_noted_and_says_what_is_next(shell, at_home, capsys):
    verdict = check_at_home(MASK, cell(shell, CELL, "causal_mask"))
    assert verdict.verdict.status == "pass"
    assert "def helper" in record.piece(MASK)
    points = load_unit("attention").by_id[MASK].points
    first = load_unit("attention").exercises[0].title
    last = repr(verdict).splitlines()[-1]
    assert last.startswith(f"Attention: {points:g} of ") and last.endswith(f"next: {first}")
    assert "1 of 18 parts of your model" in verdict._repr_html_()


def test_outside_of_a_folder_only_the_verdict_is_shown(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdict = check_at_home(MASK, cell(shell, CELL, "causal_mask"))
    assert repr(verdict) == verdict.verdict.text()


def test_validate_gets_an_error_for_what_is_not_right(shell, at_home, monkeypatch):
    """nbgrader's Validate takes a cell without an error for right."""
    monkeypatch.setenv("NBGRADER_VALIDATING", "1")
    with pytest.raises(CallError, match="Nothing to judge: The causal mask, 0 of "):
        check_at_home(
            MASK,
            cell(
                shell, "def causal_mask(n, m=None):\n    raise NotImplementedError()", "causal_mask"
            ),
        )
    assert check_at_home(MASK, cell(shell, CELL, "causal_mask")).verdict.status == "pass"


def test_a_verdict_links_to_the_section_in_a_new_tab(monkeypatch):
    from dataclasses import replace

    link = "05_attention.html#attention-causal-mask"
    wrong = replace(make_verdict(status="fail", score=0), link=link)
    html = shown.as_html(wrong, [])
    assert f'href="http://127.0.0.1:20001/book/{link}" target="_blank"' in html
    monkeypatch.setattr(shown.links, "chapters", lambda: None)
    assert "href" not in shown.as_html(wrong, [])
    for text in (shown.as_html(wrong, []), shown.as_text(wrong)):
        assert "(book/05_attention.md)" in text
    right = make_verdict()
    assert "Read about it" not in shown.as_html(right, ["a `b`"])
    assert "a <code>b</code>" in shown.as_html(right, ["a `b`"])


def test_what_is_shown_is_escaped():
    assert "&lt;b&gt;" in shown.as_html(make_verdict(), ["<b>"])


# --- how far one is, in words --------------------------------------------------------------------


def finish(place, unit):
    for exercise in unit.exercises:
        done = make_verdict(exercise.id, exercise.points)
        done = done.__class__(**{**vars(done), "max_score": exercise.points})
        record.keep(exercise.id, done, f"def {exercise.callable}(): ...", place)


def test_the_end_of_a_unit_is_celebrated_and_names_the_next(place, monkeypatch):
    unit = load_unit("05_attention")
    finish(place, unit)
    monkeypatch.setattr(progress, "unit_slugs", lambda: [unit.slug, "06_decoder"])
    lines = progress.after_check(unit.exercises[-1].id, place)
    assert "Attention: all is right" in lines[0]
    assert lines[-1] == "The next unit: `course start 06_decoder`"
    monkeypatch.setattr(progress, "unit_slugs", lambda: [unit.slug])
    assert "course assemble" in progress.after_check(unit.exercises[-1].id, place)[-1]


def test_of_parts_is_told_where_there_are_some(place):
    without, with_parts = load_unit("02").exercises[0].id, load_unit("05").exercises[0].id
    assert "parts of your model" not in progress.after_check(without, place)[0]
    assert "0 of 18 parts of your model" in progress.after_check(with_parts, place)[0]
    record.keep(MASK, make_verdict(MASK), WRITTEN, place)
    assert "1 of 18 parts of your model" in progress.after_check(without, place)[0]


def test_the_table_shows_what_was_met_and_seen(place):
    wrong = make_verdict(MASK, 0, "fail", "shifted-by-one")
    record.keep(MASK, wrong, None, place)
    record.note_shown(MASK, place)
    rows = list(progress.table(record.summary(cwd=place)))
    assert any("The causal mask: 0 of " in r and "(solution shown)" in r for r in rows)
    assert "      met: shifted by one" in rows
    record.keep(MASK, make_verdict(MASK), WRITTEN, place)
    rows = list(progress.table(record.summary(cwd=place)))
    assert "      overcome: shifted by one" in rows


def test_every_part_says_whose_it_is(place):
    record.keep(MASK, make_verdict(MASK), WRITTEN, place)
    rows = list(progress.parts(record.summary(cwd=place)))
    assert len(rows) == 19 and rows[-1] == "1 of 18 parts of your model are yours."
    assert "+ causal_mask: yours" in rows
    there = set(unit_slugs())
    for (part, _), row in zip(record.summary(cwd=place).parts, rows, strict=False):
        assert part.unit in row or "yours" in row
        assert ("not here yet" in row) == (part.unit not in there)


# --- pieces that a later unit builds on ----------------------------------------------------------


def test_a_later_unit_goes_on_with_ones_own_piece(shell, at_home, capsys):
    check_at_home(MASK, cell(shell, CELL, "causal_mask"))
    capsys.readouterr()
    own = given_at_home(MASK)
    assert "helper" in own.__code__.co_names and own(2).tolist() == [[1, 0], [1, 1]]
    assert capsys.readouterr().out == "causal_mask: yours\n"


def test_ones_own_piece_calls_ones_own_others(at_home, capsys):
    weights = "def attention_weights(q, k, mask=None):\n    return 'mine'"
    record.keep("attention/attention_weights", make_verdict(), weights)
    whole = "def scaled_dot_product_attention(q, k, v, mask=None):\n"
    record.keep(
        "attention/scaled_dot_product",
        make_verdict(),
        f"{whole}    return attention_weights(q, k)",
    )
    assert given_at_home("attention/scaled_dot_product")(1, 2, 3) == "mine"


def test_the_courses_piece_stands_in_visibly(at_home, capsys):
    assert given_at_home(MASK)(2).tolist() == [[1, 0], [1, 1]]
    assert capsys.readouterr().out.startswith("causal_mask: the course's.")
    record.keep(MASK, make_verdict(), "def causal_mask(n, size=elsewhere): ...")
    assert given_at_home(MASK)(2).tolist() == [[1, 0], [1, 1]]
    assert "does not run outside its notebook (NameError" in capsys.readouterr().out


def test_outside_of_a_folder_pieces_are_the_courses_and_seeds_nobodys(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    given_at_home(MASK)
    assert capsys.readouterr().out == "" and own_seed() == 0


def test_decisions_are_drawn_with_the_learners_own_seed(at_home):
    assert own_seed() == 41
