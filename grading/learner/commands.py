"""The learner's commands: what `course start` and the others of a learner print."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from grading.course.errors import CourseError

# The modules that do the work import torch or Jupyter: each command imports its own, so that
# `course --help` answers at once.


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the learner's commands to the command line."""
    sub = command("start", _start, "make your own folder of notebooks, and open it in JupyterLab")
    sub.add_argument(
        "unit", nargs="?", metavar="UNIT", help="the first with points left by default"
    )
    add_folder(sub)
    sub.add_argument("--no-open", action="store_true", help="only say how to open it")
    sub = command("upgrade", _upgrade, "bring a newer release into your notebooks; answers stay")
    sub.add_argument("units", nargs="*", metavar="UNIT", help="all that you have by default")
    add_folder(sub)
    sub = command(
        "progress", _progress, "your points, misconceptions met and overcome, what is next"
    )
    add_folder(sub)
    sub = command("parts", _parts, "the parts of your own model, and which of them you wrote")
    add_folder(sub)
    text = "put your parts together to a model in one file, and compare it with the course's"
    sub = command("assemble", _assemble, text)
    add_folder(sub)
    sub.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    text = "a page with your parts, misconceptions overcome, and your model's first words"
    sub = command("certificate", _certificate, text)
    add_folder(sub)
    sub.add_argument("--name", metavar="NAME", help="yours, as the page shall show it")
    sub = command("solution", _solution, "a worked solution; that you saw it is noted")
    sub.add_argument("exercise", metavar="UNIT/NAME", help="such as attention/causal_mask")
    add_folder(sub)
    sub.add_argument("--yes", action="store_true", help="show it without asking")


def add_folder(sub: argparse.ArgumentParser) -> None:
    """Let a command say which learner's folder it is about."""
    text = "your folder; by default the one you are in, else notebooks/ of the course"
    sub.add_argument("--folder", type=Path, metavar="DIR", help=text)


def _start(arguments: argparse.Namespace) -> int:
    from grading.learner import jupyter, links
    from grading.learner.start import start

    started = start(arguments.unit, arguments.folder)
    print(f"{'Made' if started.new else 'There already'}: {started.notebook}")
    for line in started.told:
        print(line)
    if book := links.chapters(start=not arguments.no_open):
        print(f"The book: {book}{started.notebook.stem}.html")
    if not arguments.no_open:
        sys.stdout.flush()
        return jupyter.open_lab(started.notebook)
    command = jupyter.lab_command(started.notebook)
    if sys.platform != "win32":  # as `course start` opens it
        shown = jupyter.settings(started.notebook.parent)
        command = ["env", *(f"{name}={value}" for name, value in shown.items()), *command]
    print(f"Open it: {_typed(command)}")
    return 0


def _upgrade(arguments: argparse.Namespace) -> int:
    from grading.learner.upgrade import upgrade

    done = 0
    for notebook in upgrade(arguments.units, arguments.folder):
        done += 1
        if notebook.before is None:
            print(f"{notebook.notebook.name} is up to date.")
            continue
        count = len(notebook.answers)
        kept = f"{count} answer{'s' * (count != 1)} kept"
        print(f"{notebook.notebook.name} is new; {kept}. The old one: {notebook.before.name}")
        for line in notebook.told:
            print(f"  {line}")
    if not done:
        print("There is no notebook to upgrade yet: `course start` makes the first.")
    return 0


def _progress(arguments: argparse.Namespace) -> int:
    from grading.learner import progress

    for line in progress.table(_summary(arguments.folder)):
        print(line)
    return 0


def _parts(arguments: argparse.Namespace) -> int:
    from grading.learner import progress

    for line in progress.parts(_summary(arguments.folder)):
        print(line)
    return 0


def _assemble(arguments: argparse.Namespace) -> int:
    import json

    from grading.learner import assembling
    from grading.learner.files import write_whole
    from grading.learner.own_model import write_model

    written = write_model(learners_folder(arguments.folder))
    for line in assembling.written_lines(written):
        print(line)
    print("Comparing it with the course's on SmolLM2-135M-Instruct ...", flush=True)
    found = assembling.compare_published(written.path)
    for line in assembling.comparison_lines(found):
        print(line)
    if arguments.json:
        text = json.dumps(assembling.as_json(written, found), indent=1)
        write_whole(arguments.json, f"{text}\n".encode())
    if found.equal:
        print("Talk to it: `course chat --model mine`")
    return int(not found.equal)


def _certificate(arguments: argparse.Namespace) -> int:
    from grading.learner.certificate import write_certificate

    print("Your model says its first words ...", flush=True)
    print(write_certificate(learners_folder(arguments.folder), arguments.name))
    return 0


def _summary(place: Path | None):
    from grading.learner import record

    return record.summary(cwd=learners_folder(place))


def learners_folder(place: Path | None) -> Path:
    """The learner's folder that a command is about; CourseError where there is none."""
    from grading.learner import record
    from grading.learner.start import DEFAULT

    found = record.folder(place) if place else record.folder() or record.folder(DEFAULT)
    if found is None:
        where = place or DEFAULT
        raise CourseError(f"{where} is no learner's folder: `course start` makes one.")
    return found


def _solution(arguments: argparse.Namespace) -> int:
    from grading.course.unit import load_exercise
    from grading.learner.solution import worked_solution

    title = load_exercise(arguments.exercise).title  # an unknown one is said before asking
    if not arguments.yes:
        _ask(title)
    print(worked_solution(arguments.exercise, learners_folder(arguments.folder)))
    return 0


def _ask(title: str) -> None:
    if not sys.stdin.isatty():
        raise CourseError("nothing was shown. Add --yes to see the solution.")
    try:
        text = f"Show the solution of {title!r}? That you saw it is noted. [y/N] "
        answer = input(text)
    except EOFError:  # Ctrl-D
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CourseError("nothing was shown.")


def _typed(command: list[str]) -> str:
    """A command as one types it here."""
    import shlex
    import subprocess

    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)
