"""The `course` command: errors name the fix, and the exit status is 0 only on success."""

import argparse
import io
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from grading import cli
from grading.classrun import sample_class
from grading.course.places import ROOT
from grading.learner import record


def course(capsys, *arguments):
    status = cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def commands():
    [action] = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return list(action.choices)


@pytest.mark.parametrize("command", ["", *commands()])
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), "--help"])
    assert end.value.code == 0
    assert "usage: course" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("bank", "99_nothing"), "05_attention"),
        (("release", "99_nothing"), "05_attention"),
        (("grade", "99_nothing"), "05_attention"),
        (("grade", "--submitted", "no/such/folder"), "--submitted"),
        (("grade", "--json", "no/such/out.json"), "there is no folder no/such"),
        (("grade", "--yes"), "`--changed`"),
        (("check", "no/such/file.ipynb"), "name the notebook"),
    ],
)
def test_mistakes_are_one_line_that_names_the_fix(capsys, arguments, text):
    status, out, err = course(capsys, *arguments)
    assert status == 1
    assert err.startswith("course: ") and err.count("\n") == 1
    assert text in err


@pytest.mark.parametrize("command", commands())
def test_every_command_is_described_in_prose(command):
    """Its name alone, `course grade`, in one of the pages that people read."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "book").glob("*.md")]
    named = rf"course {command}\b"
    assert any(re.search(named, page.read_text(encoding="utf-8")) for page in pages)


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert re.fullmatch(r"course \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_without_a_command_help_is_shown(capsys):
    assert course(capsys)[::2] == (2, cli._parser().format_help())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--jobs 0", "'0' is no whole number of at least 1"),
        ("--jobs two", "'two' is no whole number of at least 1"),
        ("--seed -1", "'-1' is no whole number of at least 0"),
        ("--jobs 2 --scheduler tcp://h:1", "not allowed with"),
    ],
)
def test_options_that_cannot_be_meant(capsys, arguments, text):
    with pytest.raises(SystemExit):
        cli.main(["grade", *arguments.split()])
    assert text in capsys.readouterr().err


def test_an_empty_class_is_said(capsys, tmp_path):
    (tmp_path / "somebody").mkdir()
    status, _, err = course(capsys, "grade", "--submitted", tmp_path)
    assert (status, "no submission of " in err) == (1, True)


def test_a_missing_weight_file_is_said(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_WEIGHTS", str(tmp_path / "none.gguf"))
    status, _, err = course(capsys, "chat", "Hello")
    assert status == 1
    assert "none.gguf" in err and "Traceback" not in err


def test_check_prints_verdicts_and_writes_json(capsys, tmp_path, unit, right):
    answers = dict(right)
    last = unit.exercises[-1]
    del answers[last.answer_id]
    path = tmp_path / "mine.ipynb"
    path.write_bytes(sample_class.notebook_with(unit, answers))
    status, out, _ = course(capsys, "check", path, "--json", tmp_path / "out.json")
    results = json.loads((tmp_path / "out.json").read_text())
    assert status == 1
    assert [r["status"] for r in results] == ["pass"] * (len(results) - 1) + ["missing"]
    assert {type(r[points]) for r in results for points in ("score", "max_score")} == {float}
    assert set(results[0]) == set(
        "student unit exercise score max_score status misconception message inherited".split()
    )
    total = sum(e.points for e in unit.exercises)
    assert out.endswith(f"{total - last.points:g} of {total:g} points\n")


def test_check_of_something_else_says_so(capsys, tmp_path):
    path = tmp_path / "other.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook()))
    status, _, err = course(capsys, "check", path)
    assert (status, "no notebook of this course" in err) == (1, True)


def test_the_bank_tells_its_figures(capsys):
    status, out, _ = course(capsys, "bank", "attention/causal_mask", "--seeds", "1")
    assert status == 0
    told = ["share killed: 100%", "share named: 100%", "alternatives rejected: 0"]
    assert {*told, "properties broken by nobody: 0"} <= set(out.splitlines())


def test_output_that_nobody_reads_to_its_end_is_no_traceback(tmp_path):
    record.make(tmp_path, 1)
    program = [sys.executable, "-c", "from grading.cli import main; raise SystemExit(main())"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes |= {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    with subprocess.Popen([*program, "progress"], **pipes) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 1
    assert said == "course: stopped, because nobody reads its output any more.\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_without_a_sign_is_no_error(monkeypatch, encoding):
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert cli.main(["check", "no/such/✗ ½ 字.ipynb"]) == 1
    streams["stderr"].flush()
    said = streams["stderr"].buffer.getvalue().decode(encoding)
    assert "? " in said and ".ipynb is not a file" in said
