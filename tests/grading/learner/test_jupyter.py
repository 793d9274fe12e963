"""JupyterLab on the learner's folder: what it offers, and that a second start finds the first."""

import json
import os
import sys
import urllib.request

import pytest

from grading.learner import jupyter
from tests import jupyter_server


@pytest.fixture
def lab(place, monkeypatch, tmp_path):
    """A real JupyterLab on the folder, started with the course's own command and settings."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = place / "05_attention.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    command = [*jupyter.lab_command(notebook), "--no-browser", "--allow-root", "--ServerApp.port=0"]
    with jupyter_server.running(command, place, os.environ | jupyter.settings(place)):
        yield notebook


def test_what_learners_are_offered(lab, monkeypatch, capsys):
    [server] = jupyter._servers(lab.parent)

    def get(what):
        headers = {"Authorization": f"token {server['token']}"}
        with urllib.request.urlopen(
            urllib.request.Request(server["url"] + what, headers=headers), timeout=60
        ) as reply:
            return reply.read().decode()

    assert list(json.loads(get("api/kernelspecs"))["kernelspecs"]) == ["python3"]
    page = get("lab")
    assert "@jupyter/nbgrader:formgrader" in page.split("disabledExtensions")[1][:2000]
    opened = []
    monkeypatch.setattr(jupyter.webbrowser, "open", opened.append)
    assert jupyter.open_lab(lab) == 0  # a second `course start`
    assert opened and opened[0].startswith(f"{server['url']}lab/tree/05_attention.ipynb?token=")
    assert opened[0] in capsys.readouterr().out
    assert not jupyter.is_open(lab)
    assert list(jupyter._servers(lab.parent.parent)) == []


def test_an_open_notebook_is_seen(monkeypatch, tmp_path):
    notebook = tmp_path / "a.ipynb"
    monkeypatch.setattr(jupyter, "_servers", lambda folder: [{"url": "x"}])
    monkeypatch.setattr(jupyter, "_ask", lambda server, what: [{"path": "a.ipynb"}, "odd"])
    assert jupyter.is_open(notebook)
    assert not jupyter.is_open(tmp_path / "b.ipynb")


def test_a_server_that_does_not_answer_has_nothing_open():
    assert jupyter._ask({"url": "http://127.0.0.1:1/", "token": ""}, "api/sessions") == []


def test_only_the_courses_own_python_runs_jupyter(tmp_path):
    command = jupyter.lab_command(tmp_path / "a b.ipynb")
    assert command[0] == sys.executable
    assert "--LabApp.default_url=/lab/tree/a%20b.ipynb" in command


def test_settings_that_cannot_be_written_are_left_out(tmp_path):
    (tmp_path / ".course").write_text("")
    assert jupyter.settings(tmp_path) == {}
