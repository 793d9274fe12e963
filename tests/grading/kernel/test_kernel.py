"""What runs in the learner's process: evidence is arrays and JSON, whatever the answer does."""

import gc
import io
import json
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grading import kernel
from grading.kernel import calls, watch
from grading.kernel.demonstration import demonstration


def request_of(*cases, forbids=(), drive="grading.kernel.drives:call", arrays="torch", twice=False):
    trees = [{n: kernel.encode(v, [10**9]) for n, v in case.items()} for case in cases]
    fields = {"exercise": "x/y", "drive": drive, "arrays": arrays, "twice": twice}
    return {**fields, "forbids": list(forbids), "cases": trees}


def run(answer, forbids=(), **inputs):
    return kernel.run(request_of(inputs, forbids=forbids), answer)["cases"][0]


def test_inputs_arrive_in_order_as_tensors_of_the_same_dtype():
    seen = []
    run(lambda *given: seen.extend(given), a=np.arange(3.0), b=np.array([True]), c=2, d=None)
    a, b, c, d = seen
    assert (a.dtype, b.dtype, c, d) == (torch.float64, torch.bool, 2, None)
    assert a.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "kind", "dtype"),
    [
        (torch.ones(2, requires_grad=True), "tensor", "float32"),
        (torch.ones(2, dtype=torch.bfloat16), "tensor", "bfloat16"),
        (torch.ones(2, 3).T, "tensor", "float32"),
        (np.ones(2), "ndarray", "float64"),
    ],
)
def test_arrays_keep_their_kind_and_dtype(value, kind, dtype):
    out = run(lambda: value)["output"]
    assert (out["kind"], out["dtype"]) == (kind, dtype)
    assert out["value"].shape == tuple(value.shape)
    assert (out["value"] == 1).all()


def test_nested_values_become_plain_trees():
    out = run(lambda: {"a": (1, True), 2: [None, "x"], "c": np.float64(2)})["output"]
    keys, values = zip(*out["items"], strict=True)
    assert [key["value"] for key in keys] == ["a", 2, "c"]
    assert [value["kind"] for value in values] == ["tuple", "list", "json"]
    assert [item["value"] for item in values[0]["items"]] == [1, True]
    assert type(values[0]["items"][1]["value"]) is bool
    assert values[2] == {"kind": "json", "value": 2.0}


class AlwaysEqual:
    def __eq__(self, other):
        return True


class EqualFloat(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


@pytest.mark.parametrize("value", [AlwaysEqual(), EqualFloat(1.0), object(), np.array([object()])])
def test_what_is_no_plain_value_is_only_named(value):
    assert run(lambda: value)["output"]["kind"] == "other"


def test_an_error_is_described_by_the_learners_line():
    def answer(x):
        return x @ x  # torch complains

    error = run(answer, x=np.ones((2, 3)))["error"]
    assert error["type"] == "RuntimeError"
    assert error["line"].startswith("return x @ x")


def test_exit_is_an_error_of_that_case_and_interrupt_is_not():
    def leave():
        raise SystemExit

    def stop():
        raise KeyboardInterrupt

    assert run(leave)["error"]["type"] == "SystemExit"
    with pytest.raises(KeyboardInterrupt):
        run(stop)


def test_changed_inputs_are_noted_by_name():
    def answer(x, y):
        y.mul_(2)
        return x

    assert run(answer, x=np.ones(2), y=np.ones(2))["mutated"] == ["y"]
    assert run(answer, x=np.ones(2), y=np.zeros(2))["mutated"] == []
    assert run(lambda x: x, x=np.array([np.nan]))["mutated"] == []


def test_every_case_gets_fresh_inputs():
    def answer(x):
        x.add_(1)
        return x.clone()

    request = request_of({"x": np.ones(1)}, {"x": np.ones(1)})
    first, second = kernel.run(request, answer)["cases"]
    assert first["output"]["value"] == second["output"]["value"] == 2


SOFTMAX = "torch.nn.functional.softmax"


def test_forbidden_calls_are_seen_by_module_by_alias_and_restored():
    original, alias = F.softmax, F.softmax
    x = np.ones(2)
    assert run(lambda x: F.softmax(x, 0), [SOFTMAX], x=x)["forbidden"] == [SOFTMAX]
    assert run(lambda x: x.softmax(0), [SOFTMAX], x=x)["forbidden"] == []
    assert F.softmax is original
    namespace = {"soft": alias}
    exec("def answer(x): return soft(x, 0)", namespace)
    assert run(namespace["answer"], [SOFTMAX], x=x)["forbidden"] == [SOFTMAX]


def test_what_was_put_away_before_the_check_is_seen_too(monkeypatch):
    monkeypatch.setattr(F, "softmax", F.softmax)  # put back behind this test
    monkeypatch.setattr(watch, "_covered", {})
    original, x = F.softmax, np.ones(2)
    kernel.cover([SOFTMAX])
    gc.collect()
    put_away = [F.softmax]
    assert put_away[0] is not original
    answer = lambda x: put_away[0](x, 0)  # noqa: E731
    assert run(answer, [SOFTMAX], x=x)["forbidden"] == [SOFTMAX]
    assert run(answer, [], x=x)["forbidden"] == []  # another exercise may
    F.softmax = original  # as somebody does who has found it inside
    assert run(lambda x: F.softmax(x, 0), [SOFTMAX], x=x)["forbidden"] == [SOFTMAX]
    assert F.softmax is original


def test_an_inherited_method_is_restored():
    assert "softmax" not in vars(torch.Tensor)
    seen = run(lambda x: x.softmax(0), ["torch.Tensor.softmax"], x=np.ones(2))["forbidden"]
    assert seen == ["torch.Tensor.softmax"]
    assert "softmax" not in vars(torch.Tensor)


def test_huge_answers_are_reported_not_stored(monkeypatch):
    monkeypatch.setattr(calls, "MAX_ARRAY_BYTES", 1000)
    assert "exceed" in run(lambda: torch.zeros(1000))["error"]["message"]


def test_disk_round_trip_is_exact(tmp_path):
    tree = {"a": [np.array([1.5, np.nan]), {"b": np.array([[True]])}], "c": None, "d": "x"}
    kernel.save(tmp_path, "t", tree)
    back = kernel.load(tmp_path, "t")
    np.testing.assert_array_equal(back["a"][0], tree["a"][0])
    assert back["a"][1]["b"].dtype == bool
    assert (back["c"], back["d"]) == (None, "x")


def test_pickles_bombs_and_rubbish_are_refused():
    text, data = kernel.dumps({"a": np.ones(2)})
    with pytest.raises(ValueError, match="larger"):
        kernel.loads(text, data, max_bytes=10)
    bomb = io.BytesIO()
    np.savez_compressed(bomb, a0=np.zeros(2**24))  # 128 MB in a few kB
    assert len(bomb.getvalue()) < 2**18
    with pytest.raises(ValueError, match="larger"):
        kernel.loads(text, bomb.getvalue(), max_bytes=2**20)
    pickled = io.BytesIO()
    np.savez(pickled, a0=np.array([AlwaysEqual()], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        kernel.loads(text, pickled.getvalue())
    with pytest.raises(zipfile.BadZipFile):
        kernel.loads(text, b"no archive")


def test_record_answers_the_request_on_disk(tmp_path):
    request = request_of({"x": np.arange(3.0)})
    kernel.save(tmp_path / "requests", "x__y", request)
    kernel.record(str(tmp_path), "x/y", lambda x: x * 2)
    evidence = kernel.load(tmp_path / "evidence", "x__y")
    assert evidence["cases"][0]["output"]["value"].tolist() == [0, 2, 4]
    json.loads((tmp_path / "evidence" / "x__y.json").read_text())


# --- demonstrations ------------------------------------------------------------------------------


def test_a_demonstration_that_stops_says_where_it_goes_on(capsys):
    def unwritten():
        raise NotImplementedError

    def mistaken():
        return no_such_name  # noqa: F821

    for function, words in [
        (unwritten, "`unwritten` still waits for your code"),
        (mistaken, "It happened in `mistaken`: run its check"),
    ]:
        with demonstration():
            function()
        assert words in capsys.readouterr().out
    cell = "with demonstration():\n    print(blocks)"
    exec(cell, {"demonstration": demonstration})
    assert capsys.readouterr().out.startswith("`blocks` is not there yet: a cell above makes it")
