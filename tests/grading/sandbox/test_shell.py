"""What cells show comes back as Jupyter would have it."""

import nbformat
import pytest

from grading.sandbox import Limits, warm
from tests.grading.machines import started
from tests.grading.sandbox.conftest import errors, printed


@pytest.fixture
def outputs(run, kind_that_works):
    """The outputs of one cell, each of them as the notebook format wants it."""

    def outputs(source):
        ran = run(kind_that_works, source, limits=Limits())
        assert not ran.cut, ran.cut
        for item in ran.outputs[0]:
            kept = {key: value for key, value in item.items() if key != "output_type"}
            item = nbformat.v4.new_output(item["output_type"], **kept)
            nbformat.v4.nbbase.validate(item, "output")
        return ran.outputs[0]

    return outputs


@pytest.fixture
def kind_that_works():
    """Any kind will do: they share the shell."""
    started("trusted")
    return "trusted"


def text(outputs):
    return "".join(o["text"] for o in outputs)


def test_printed_text_by_stream_and_in_order(outputs):
    seen = outputs("import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)\nprint('d')")
    assert [(o["name"], o["text"]) for o in seen] == [
        ("stdout", "a\nb\n"),
        ("stderr", "c\n"),
        ("stdout", "d\n"),
    ]


def test_the_last_expression_is_the_result(outputs):
    (seen,) = outputs("6 * 7")
    assert seen["output_type"] == "execute_result" and seen["data"] == {"text/plain": "42"}
    assert outputs("6 * 7;") == [] and outputs("x = 1") == []


def test_a_figure_is_a_picture(outputs):
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    (seen,) = outputs(source)
    assert seen["output_type"] == "display_data"
    assert seen["data"]["image/png"].startswith("iVBORw0KGgo")  # PNG's first bytes in base64


def test_figures_that_are_not_shown_are_shown_at_the_end(outputs):
    seen = outputs("import matplotlib.pyplot as plt\nplt.figure()\nplt.plot([1])\nx = 1")
    assert [sorted(o["data"]) for o in seen] == [["image/png", "text/plain"]]


def test_objects_show_themselves_in_every_form_they_have(outputs):
    source = """
class Table:
    def __repr__(self): return "table"
    def _repr_html_(self): return "<table>"
    def _repr_mimebundle_(self, include=None, exclude=None): return {"application/json": {"a": [1]}}
Table()
"""
    (seen,) = outputs(source)
    assert seen["data"]["text/plain"] == "table" and seen["data"]["text/html"] == "<table>"
    assert seen["data"]["application/json"] == {"a": [1]}


def test_an_object_that_fails_to_show_itself_ends_nothing(outputs):
    source = "class Bad:\n    def __repr__(self): raise RuntimeError('no')\nBad()"
    assert outputs(source)[0]["ename"] == "RuntimeError"
    source = """
class Odd:
    def _repr_mimebundle_(self, include=None, exclude=None): return {"text/plain": object()}
Odd()
"""
    assert "object object" in str(outputs(source))


def test_clear_output(outputs):
    source = "from IPython.display import clear_output\nprint('a')\nclear_output()\nprint('b')"
    assert text(outputs(source)) == "b\n"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('x')", "BaseException"),
        ("input('name?')", "StdinNotImplementedError"),
        ("def f(): f()\nf()", "RecursionError"),
    ],
)
def test_an_error_is_an_output_and_the_next_cell_runs(run, kind_that_works, source, name):
    ran = run(kind_that_works, source, "print('on')")
    assert errors(ran) == [name] or (name == "StdinNotImplementedError" and errors(ran))
    assert printed(ran, 1) == "on\n" and not ran.cut


def test_an_error_shows_the_learners_line(outputs):
    seen = outputs("def f():\n    return 1 / 0\nf()")[-1]
    assert seen["evalue"] == "division by zero"
    assert any("return 1 / 0" in line for line in seen["traceback"])
    assert "/inside/" not in "".join(seen["traceback"])


def test_await_at_the_top(outputs):
    source = "import asyncio\nasync def f(): return 5\nawait asyncio.sleep(0)\nprint(await f())"
    assert text(outputs(source)) == "5\n"


def test_magics_and_shell_commands(outputs):
    assert "Wall time" in text(outputs("%time x = 1")) or "time" in text(outputs("%time x = 1"))
    assert text(outputs("!echo hello")).strip() == "hello"
    assert text(outputs("%%writefile a.txt\nhi")).startswith("Writing")
    assert text(outputs("found = !echo one\nprint(found[0])")) == "one\n"


def test_threads_that_go_on_are_not_heard(run, kind_that_works):
    source = """
import threading, time
def talk():
    while True:
        print("x")
        time.sleep(0.01)
threading.Thread(target=talk, daemon=True).start()
time.sleep(0.05)
"""
    ran = run(kind_that_works, source, "import time\nprint('a')\ntime.sleep(0.1)")
    assert "x" in printed(ran, 0) and "a" in printed(ran, 1)


def test_cells_share_their_names(run, kind_that_works):
    ran = run(kind_that_works, "x = 40", "x + 2", "In[1], Out[2], _")
    assert ran.outputs[1][0]["data"]["text/plain"] == "42"
    assert ran.outputs[2][0]["data"]["text/plain"] == "('x = 40', 42, 42)"


def test_random_numbers_are_the_same_in_every_run(any_kind, run):
    """Of all three: so that grading again gives the same verdicts."""
    draw = "import random, numpy, torch\nprint(random.random(), numpy.random.rand(), torch.rand(1))"
    first = printed(run(any_kind, draw))
    warm.warm_process(any_kind, fresh=True)
    assert printed(run(any_kind, draw)) == first
