"""The store of results: what is read back is what was kept, and damage counts as absence."""

import json

import pytest

from grading.classrun.store import Ledger, Result, Store, digest, key_of
from grading.course import following, versions
from grading.course.places import ROOT
from grading.notebooks.submission import grade_submission


@pytest.fixture(scope="module")
def result(unit):
    graded = grade_submission("ada", unit.slug, b"no notebook", remarks=("Found in a zip.",))
    return Result("k", digest(b"no notebook"), 3, versions.exercise_versions(unit), graded)


def test_a_result_comes_back_as_it_was_for_any_student(tmp_path, result):
    store = Store(tmp_path)
    store.put(result)
    assert store.get("k", "ada") == result
    assert store.get("k", "ben").graded.student == "ben"
    assert store.get("k", "ben").graded.notebook == result.graded.notebook
    assert store.get("other", "ada") is None
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.parametrize("suffix", ["json", "ipynb"])
def test_a_damaged_result_is_none(tmp_path, result, suffix):
    store = Store(tmp_path)
    store.put(result)
    path = tmp_path / "results" / f"k.{suffix}"
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"[]", b"{}"):
        path.write_bytes(damaged)
        assert store.get("k", "ada") is None
    path.unlink()
    assert store.get("k", "ada") is None
    path.write_bytes(whole)
    assert store.get("k", "ada") == result


def test_a_result_that_is_half_kept_is_none(tmp_path, result, monkeypatch):
    store, replaced = Store(tmp_path), []

    def once(source, target):
        if replaced:
            raise InterruptedError
        replaced.append(target)

    monkeypatch.setattr("grading.classrun.store.os.replace", once)
    with pytest.raises(InterruptedError):
        store.put(result)
    assert replaced and store.get("k", "ada") is None


def test_nothing_handed_in_is_not_an_empty_file():
    assert digest(None) != digest(b"")
    keys = {key_of(digest(b"x"), "u", seed=0), key_of(digest(b"x"), "u", seed=1)}
    assert len(keys | {key_of(digest(b"x"), "v", seed=0), key_of(digest(b"y"), "u", seed=0)}) == 4
    assert key_of("a", "b", c=1, d=2) == key_of("a", "b", d=2, c=1)


def test_the_ledger_remembers_the_last_line_and_survives_one_cut_off(tmp_path):
    path = tmp_path / "written.jsonl"
    ledger = Ledger(path)
    ledger.record("ada", "u", "one")
    ledger.record("ada", "u", "two")
    ledger.record("Zoë", "u", "three")
    path.write_bytes(path.read_bytes()[:-6])
    again = Ledger(path)
    assert (again.key("ada", "u"), again.key("Zoë", "u")) == ("two", None)
    again.record("ben", "u", "four")
    last = Ledger(path)
    assert (last.key("ada", "u"), last.key("ben", "u")) == ("two", "four")
    assert last.last == again.last == ("ben", "four") and Ledger(tmp_path / "new").last is None
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1]) == ["ben", "u", "four"]


# --- versions -------------------------------------------------------------------------------------


@pytest.fixture
def edited(monkeypatch, unit):
    """The ids of the exercises that an edit of a file gives another version."""
    caches = (following.names_of, versions.exercise_version, versions.exercise_versions)
    caches += (versions.unit_version,)

    def clear():
        for cached in caches:
            cached.cache_clear()

    def changed(name, find, replace):
        read, path = following.text_of, ROOT / name

        def edit(p):
            return read(p).replace(find, replace) if p == path else read(p)

        assert read(path).count(find) == 1
        before = versions.exercise_versions(unit)
        for module in (versions, following):
            monkeypatch.setattr(module, "text_of", edit)
        clear()
        after = versions.exercise_versions(unit)
        for module in (versions, following):
            monkeypatch.setattr(module, "text_of", read)
        clear()
        return {name for name in before if before[name] != after[name]}

    clear()
    yield changed
    clear()


def users(unit, *names):
    """The ids of exercises that are among these or call them."""
    found = {f"attention/{name}" for name in names}
    while more := {e.id for e in unit.exercises if set(e.depends) & found} - found:
        found |= more
    return found


def test_points_concern_an_exercise_and_those_that_call_it(edited, unit):
    found = edited("grading/units/attention/causal_mask.py", "SAME: 1, MORE: 2", "SAME: 1, MORE: 3")
    assert found == users(unit, "causal_mask")
    assert "attention/split_heads" not in found


def test_an_edit_of_an_answer_concerns_who_uses_it_though_all_lie_in_one_file(edited, unit):
    source = (ROOT / "reference_impl" / "decoder" / "attention.py").read_text(encoding="utf-8")
    line = next(li for li in source.splitlines() if "-> batch heads seq head_dim" in li)
    found = edited("reference_impl/decoder/attention.py", line, line + "  # the same")
    assert "attention/split_heads" in found and "attention/causal_mask" not in found


def test_the_judge_concerns_all_and_prose_of_the_notebook_none(edited, unit):
    everything = {e.id for e in unit.exercises}
    line = '"""The judge: evidence in, verdict out.'
    assert edited("grading/judging/judge.py", line, line + " ") == everything
    assert edited("grading/units/attention/draw.py", "def causal(", "def causal (") != everything
    source = f"solutions/{unit.slug}/{unit.slug}.py"
    text = (ROOT / source).read_text(encoding="utf-8")
    title = next(line for line in text.splitlines() if line.startswith("# # "))
    assert edited(source, title, title + "!") == set()


def test_the_unit_version_covers_the_sandbox_and_python(unit, monkeypatch):
    before = versions.unit_version(unit)
    versions.unit_version.cache_clear()
    monkeypatch.setattr(versions.platform, "python_version", lambda: "3.99.0")
    after = versions.unit_version(unit)
    versions.unit_version.cache_clear()
    assert before != after == versions.unit_version(unit)
    versions.unit_version.cache_clear()
    assert any("sandbox" in path for path in versions.RUNS)
