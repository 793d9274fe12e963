"""Remarks for the instructor: on cheats they know, and never on honest answers."""

import nbformat
import pytest

from grading.classrun import sample_class
from grading.course.sources import wrong_source
from grading.course.unit import load_unit, unit_slugs
from grading.notebooks import flags

SIGNS = {
    "open('../gradebook.db')": "names nbgrader or its gradebook",
    "from reference_impl.decoder.attention import attend": "names reference_impl",
    "check = lambda *args: 5": "how answers reach the judge",
    "def check(*args): pass": "how answers reach the judge",
    "import grading.kernel": "how answers reach the judge",
    "get_ipython().kernel.do_execute = f": "changes how cells are run",
    "sys._getframe(1)": "looks into the process",
    "def __eq__(self, other): return True": "values compare",
    "import torch\ntorch.allclose = f": "replaces functions",
    "setattr(torch, 'allclose', f)": "replaces functions",
    "torch._C._nn.softmax": "below PyTorch's public functions",
    "import ctypes": "below Python",
    "open('/proc/1/mem')": "machine's own files",
    "os.fork()": "unchains processes",
    "import urllib.request": "reach the network",
    "!pip install cowsay": "installs packages",
    "os.walk('/')": "searches files",
}
HARMLESS = [
    'Decoder = given("reference_impl.decoder.decoder:Decoder")',
    "torch.backends.cudnn.deterministic = True",
    "checks = 1\nassert check == 2\nrecheck = 3",
    "requests = [1]\nrecord = {}\n# an etc. of the glob",
    "x = F.relu(y)\nF = 3",
]


def noted(source, unit=None, answer_id=None):
    fields = {"nbgrader": {"grade_id": answer_id}} if answer_id else {}
    cell = nbformat.v4.new_code_cell(source, metadata=fields)
    unit = unit or load_unit("attention")
    return flags.remarks(nbformat.v4.new_notebook(cells=[cell]), unit)


@pytest.mark.parametrize("source", SIGNS)
def test_a_sign_is_remarked_on_once_with_its_cell(source):
    [remark] = noted(f"{source}\n{source}")
    assert SIGNS[source] in remark
    assert remark.endswith("(cell 1).")


@pytest.mark.parametrize("source", HARMLESS)
def test_harmless_code_is_not(source):
    assert noted(source) == []


@pytest.mark.parametrize("slug", unit_slugs())
def test_no_answer_of_the_course_right_or_wrong_is_remarked_on(slug):
    unit = load_unit(slug)
    right = sample_class.right_answers(unit)
    for exercise in unit.exercises:
        sources = [right[exercise.answer_id]]
        for function in exercise.alternatives:
            sources.append(sample_class.answer_source(function, exercise.callable))
        texts = [wrong_source(exercise, m) for m in exercise.misconceptions]
        sources += [text for text in texts if isinstance(text, str)]
        for source in sources:
            assert noted(source, unit, exercise.answer_id) == [], source


def test_an_exercise_may_use_what_another_one_has_to_write_out():
    unit = load_unit("attention")
    source = "x = torch.nn.functional.scaled_dot_product_attention(q, k, v)"
    by_id = {e.answer_id: bool(e.forbids) for e in unit.exercises}
    assert set(by_id.values()) == {True, False}
    for answer_id, banned in by_id.items():
        assert bool(noted(source, unit, answer_id)) == banned
    assert noted(source, unit)  # a cell of the learner's own may serve any of them


def test_what_the_course_wrote_is_not(unit, notebook):
    assert flags.remarks(notebook, unit) == []
    demo = nbformat.v4.new_code_cell("import reference_impl", metadata={"tags": ["demo"]})
    notebook.cells.append(demo)
    assert flags.remarks(notebook, unit) == []


@pytest.mark.parametrize(
    "source",
    [
        "hidden = [torch.nn.functional.scaled_dot_product_attention]",
        "from torch.nn.functional import softmax, scaled_dot_product_attention as f",
        "getattr(F, 'scaled_dot_product_attention')",
        "nn.MultiheadAttention(8, 2)",
    ],
)
def test_a_function_to_do_without_is_remarked_on(source):
    assert ["is to be written without" in remark for remark in noted(source)] == [True]
    assert noted("scaled_dot_product_attention(q, k, v, mask)\nsuper().__init__()") == []


def test_a_long_cell_takes_no_long_look():
    """The time is that of the number of characters; of its square, this would take hours."""
    assert noted("\n" * flags.LONGEST + "import socket") == noted(" " * flags.LONGEST) == []
