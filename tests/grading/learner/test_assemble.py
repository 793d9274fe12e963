"""The learner's own model: their text where they are right, the course's in every gap, compared."""

import json

import pytest
import torch

from grading import cli
from grading.course.errors import CourseError
from grading.course.free_names import bound_names, free_names, split_imports
from grading.course.sources import solution_source
from grading.course.unit import load_exercise, load_unit
from grading.learner import assembling, comparison, own_model, progress, record
from grading.learner.assembly import assemble, exercise_of, own_answers, parts_of
from grading.learner.parts import PARTS
from reference_impl.decoder.config import ModelConfig
from reference_impl.decoder.decoder import Decoder
from reference_impl.published.weights import _gguf_name
from reference_impl.tokenization.tokenization import Tokenizer
from tests.grading.learner.conftest import make_verdict

CONFIG = ModelConfig(258, 512, 12, 3, 3, 1, 4, 20, rope_theta=500.0)


@pytest.fixture(scope="module")
def weights():
    """A tiny model that knows bytes alone, with strong weights."""
    torch.manual_seed(0)
    model = Decoder(CONFIG).requires_grad_(False)
    tensors = {_gguf_name(name): 8 * tensor for name, tensor in model.named_parameters()}
    marks = {"<|im_start|>": 256, "<|im_end|>": 257}
    tokenizer = Tokenizer({bytes([i]): i for i in range(256)}, r"\w+|\W+", marks)
    return comparison.Weights(CONFIG, tensors, tokenizer)


def note(place, exercise_id, text=None, status="pass"):
    exercise = load_exercise(exercise_id)
    if text is None:
        text = solution_source(load_unit(exercise.unit).source, exercise.callable)
    score = 1.0 if status == "pass" else 0.0
    record.keep(exercise_id, make_verdict(exercise_id, score, status), text, place)


def all_right(place):
    for part in PARTS:
        if exercise := exercise_of(part):
            note(place, exercise.id)


def test_free_names():
    text = "import math as m\nK = 2\n@tag\ndef f(x: A = B) -> C:\n    y = m.pi\n"
    text += "    def g(): return x + y + K + Z\n    return [i for i in D]\n"
    assert free_names(text) == ["A", "B", "C", "D", "Z", "tag"]
    assert bound_names(text) == {"m", "K", "f"}
    assert split_imports("import a.b\nfrom c import d as e\nx = 1") == (
        {"a": "import a.b", "e": "from c import d as e"},
        "x = 1",
    )


def test_without_answers_all_parts_are_the_course_s(place, weights):
    written = own_model.write_model(place)
    assert written.own_parts == 0 and len(written.parts) == 18
    found = comparison.compare(written.path, weights)
    assert found.equal and len(found.differences) == CONFIG.n_layers + 2
    assert max(found.differences) < 1e-4


def test_every_right_answer_stands_in_the_file(place, weights):
    all_right(place)
    written = own_model.write_model(place)
    here = sum(exercise_of(part) is not None for part in PARTS)
    assert written.own_parts == here >= 17
    text = written.path.read_text()
    for part in PARTS:
        if exercise := exercise_of(part):
            assert record.piece(exercise.id, place) in text
    assert own_model.write_model(place) == written  # twice the same


def test_missing_and_wrong_parts_are_the_course_s_and_the_file_says_so(place):
    all_right(place)
    (place / ".course" / "record" / "decoder__swiglu.json").unlink()
    entry = place / ".course" / "record" / "attention__causal_mask.json"
    entry.unlink()
    note(place, "attention/causal_mask", status="fail")
    written = own_model.write_model(place)
    assert not written.parts["swiglu"] and not written.parts["causal_mask"]
    assert "  swiglu: the course's (yours is not written yet)" in assembling.written_lines(written)
    text = written.path.read_text()
    assert "# The course's (yours is not written yet). Exercise decoder/swiglu." in text
    assert "# The course's (yours is not right yet). Exercise attention/causal_mask." in text
    assert "# Mine. Exercise decoder/rms_norm." in text


def test_an_answer_that_needs_its_notebook_is_said(place):
    note(place, "decoder/swiglu", "def swiglu(x, g, u, d):\n    return other_cell(x)")
    note(
        place, "attention/causal_mask", "MASK = nowhere(3)\ndef causal_mask(q, k=None): return MASK"
    )
    rows = list(progress.parts(record.summary(cwd=place)))
    assert any("yours uses `other_cell`, which its cell does not define" in row for row in rows)
    assert rows[-1].startswith("0 of 18")
    note(place, "decoder/rms_norm", status="fail")
    rows = list(progress.parts(record.summary(cwd=place)))
    assert "  rms_norm: the course's: yours is not right yet" in rows
    made = assemble(own_answers(place))
    swiglu, mask = (parts_of(made)[name] for name in ("swiglu", "causal_mask"))
    assert not swiglu.own and "`other_cell`" in swiglu.why
    assert not mask.own and "nowhere" in mask.why


HELPER = """import torch.nn.functional as F
from torch import ones as sqrt

def top_k(z):
    return F.silu(z) * sqrt(1)

def swiglu(x, gate_proj, up_proj, down_proj):
    return (top_k(x @ gate_proj.T) * (x @ up_proj.T)) @ down_proj.T
"""
SAME_HELPER = """from math import sqrt

def step(x):
    return x.pow(2).mean(-1, keepdim=True)

def rms_norm(x, weight, norm_eps=1e-5):
    return x / (step(x) + norm_eps) ** (1 / sqrt(4)) * weight
"""


def test_helpers_of_the_same_name_do_not_meet(place, weights):
    all_right(place)
    note(place, "decoder/swiglu", HELPER)  # its top_k is not the one that `sample` calls
    note(place, "decoder/rms_norm", SAME_HELPER)  # its sqrt is another one
    written = own_model.write_model(place)
    assert written.parts["swiglu"] and written.parts["rms_norm"]
    assert comparison.compare(written.path, weights).equal
    names = own_model.load_module(written.path)
    assert names["top_k"](torch.tensor([[1.0, 3.0]]), 1).isfinite().sum() == 1


def test_the_learner_s_own_joints_are_used_and_are_no_parts(place, weights):
    joints = ("sort_weights", "block_functions", "n_reusable", "stream_text")
    for name in joints:
        note(place, f"capstone/{name}")
    written = own_model.write_model(place)
    text = written.path.read_text()
    assert all(f"# Mine. Exercise capstone/{name}." in text for name in joints)
    assert written.own_parts == 0 and comparison.compare(written.path, weights).equal


def test_a_changed_file_is_never_written_over(place, weights):
    path = own_model.write_model(place).path
    changed = path.read_text().replace("/ head_dim**0.5", "/ head_dim")
    path.write_text(changed)
    written = own_model.write_model(place)
    assert written.changed and path.read_text() == changed
    assert "stays as it is" in " ".join(assembling.written_lines(written))


FAULTS = [
    ("/ head_dim**0.5", "/ head_dim", "attention_weights", "scaled-by-head-dim", "layer 0"),
    ("x = x + merge_heads", "x = merge_heads", "decoder_block", "attention-residual-missing", None),
    ("return min(n_same, len(token_ids) - 1)", "return 0 * n_same", None, None, None),
    ("for word in regex", "for word in [] and regex", "encode", None, None),
    ('decode(ids).rstrip("\\ufffd")', "decode(ids)", "stream_text", None, None),
    ("self.embedding, layers,", "self.embedding * 2, layers,", "AssembledModel", None, "embedding"),
]


@pytest.mark.parametrize(("find", "new", "part", "misconception", "state"), FAULTS)
def test_the_first_part_that_differs_is_named(
    place, weights, find, new, part, misconception, state
):
    path = own_model.write_model(place).path
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, new))
    found = comparison.compare(path, weights)
    assert found.equal == (part is None)
    assert found.culprit == part
    if misconception:
        assert misconception in found.verdict.misconceptions[0]
    if state:
        assert state in found.state(found.first)
    assert all(isinstance(line, str) for line in assembling.comparison_lines(found))


def test_of_two_faults_the_first_in_the_course_s_order_is_named(place, weights):
    path = own_model.write_model(place).path
    text = path.read_text().replace("/ head_dim**0.5", "/ head_dim")
    path.write_text(text.replace("x = x + merge_heads", "x = merge_heads"))
    assert comparison.compare(path, weights).culprit == "attention_weights"


@pytest.mark.parametrize(
    ("text", "said"), [("def f(:", "SyntaxError"), ("x = 1", "AssembledModel"), ("1 / 0", "Zero")]
)
def test_a_file_that_does_not_run_says_why(place, text, said):
    (place / own_model.FILE).write_text(text)
    with pytest.raises(CourseError, match=said):
        own_model.load_module(place / own_model.FILE)


def test_the_command(place, weights, monkeypatch, capsys, tmp_path):
    all_right(place)
    monkeypatch.setattr(comparison.Weights, "published", classmethod(lambda cls: weights))
    out = tmp_path / "found.json"
    assert cli.main(["assemble", "--folder", str(place), "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert " of 18 parts are yours." in said and "The same model" in said
    assert json.loads(out.read_text())["equal"] is True
    path = place / own_model.FILE
    path.write_text(path.read_text().replace("/ head_dim**0.5", "/ head_dim"))
    assert cli.main(["assemble", "--folder", str(place)]) == 1
    said = capsys.readouterr().out
    assert "The first part that makes the difference: attention_weights." in said
    assert "scaled by head dim" in said


def test_without_weights_the_way_to_get_them_is_said(place, monkeypatch):
    monkeypatch.setenv("COURSE_WEIGHTS", str(place / "none.gguf"))
    with pytest.raises(CourseError, match="make course"):
        assembling.compare_published(own_model.write_model(place).path)


def test_on_the_real_weights_a_model_of_right_answers_is_smollm2(place):
    all_right(place)
    found = assembling.compare_published(own_model.write_model(place).path)
    assert found.equal and len(found.differences) == 32 and max(found.differences) < 1e-4
