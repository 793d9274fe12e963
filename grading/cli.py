"""The `course` command."""

import argparse
import os
import sys
from pathlib import Path

from grading.classrun import signals, startup
from grading.course.errors import CourseError
from grading.course.places import ROOT
from grading.learner import commands as learner

# The modules that do the work import torch, Sphinx or nbgrader: each command imports its own, so
# that `course --help` answers at once.


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 only on success."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help(sys.stderr)
        return 2
    _print_anything()
    startup.find_own_programs()
    startup.end_quickly()
    try:
        with signals.remembered():
            _check_json(getattr(arguments, "json", None))
            status = arguments.run(arguments)
            sys.stdout.flush()  # here, where an error is one line
            return status
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
    except KeyboardInterrupt as stop:
        print(f"course: {str(stop) or 'stopped.'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `course progress | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing fails at the end
        print("course: stopped, because nobody reads its output any more.", file=sys.stderr)
    return 1


def _print_anything() -> None:
    """A sign that the terminal's encoding lacks (cp1252 on Windows) becomes "?", never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test or a notebook may stand in its place
            stream.reconfigure(errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    parser.add_argument("--version", action="version", version=f"course {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    sub = command("all", _all, "release, build, grade a sample class, and say where everything is")
    learner.add(command)
    sub = command("build", _build, "build the HTML book into _build/html")
    sub = command("release", _release, "write the learners' notebooks from the units' text sources")
    sub.add_argument("units", nargs="*", metavar="UNIT", help="all of them by default")
    sub = command("check", _check, "judge a notebook of your own, as the class run would")
    sub.add_argument("path", type=Path, metavar="NOTEBOOK")
    _add_json(sub)
    sub = command("grade", _grade, "grade the submissions of a class into nbgrader's gradebook")
    _add_grade_options(sub)
    sub = command("new", _new, "begin an exercise: its specification, and cells in the unit's text")
    sub.add_argument("exercise", metavar="UNIT/NAME")
    sub = command("bank", _bank, "prove that every exercise names its misconceptions")
    text = "a unit or one exercise (UNIT/NAME); all units by default"
    sub.add_argument("units", nargs="*", metavar="UNIT", help=text)
    sub.add_argument("--seeds", type=_count, default=5, metavar="N", help="draws of the inputs")
    _add_json(sub)
    sub = command("chat", _chat, "talk to SmolLM2-135M, run by the course's model or by yours")
    text = 'what to ask: "What is gravity?"; without it, a conversation'
    sub.add_argument("prompt", nargs="?", help=text)
    sub.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy")
    sub.add_argument("--max-new-tokens", type=_count, default=256, metavar="N")
    sub.add_argument("--seed", type=int, metavar="N")
    text = "whose model speaks: the course's, or yours, which `course assemble` puts together"
    sub.add_argument("--model", choices=("course", "mine"), default="course", help=text)
    learner.add_folder(sub)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("modern-language-model-internals")
    except PackageNotFoundError:  # run from a folder that nobody installed
        return "of no installed package"


def _add_grade_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("units", nargs="*", metavar="UNIT", help="all of them by default")
    text = "the class, submitted/ of the course by default"
    sub.add_argument("--submitted", type=Path, default=ROOT / "submitted", metavar="DIR", help=text)
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_count, metavar="N", help="processes; one a core by default")
    text = "a Dask cluster instead: tcp://HOST:8786"
    where.add_argument("--scheduler", metavar="ADDR", help=text)
    sub.add_argument("--db", metavar="URL", help="gradebook.db beside the submissions by default")
    text = "of the inputs drawn; what this gradebook was graded with before, else 0"
    sub.add_argument("--seed", type=_seed, metavar="N", help=text)
    text = "only what an edit of the exercises changed; shows the difference before it writes"
    sub.add_argument("--changed", action="store_true", help=text)
    sub.add_argument("--yes", action="store_true", help="with --changed: write without asking")
    text = "run submissions with your own rights where there is no sandbox"
    sub.add_argument("--trusted", action="store_true", help=text)
    _add_json(sub)


def _count(text: str, least: int = 1) -> int:
    """A whole number."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
    return int(text)


def _seed(text: str) -> int:
    return _count(text, least=0)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")


def _check_json(path: Path | None) -> None:
    """Before the work, not behind it."""
    if path and not path.parent.is_dir():
        raise CourseError(f"--json {path}: there is no folder {path.parent}.")


def _build(arguments: argparse.Namespace) -> int:
    from grading.book import build

    print(f"The book is at {_shown(build(ROOT))}")
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from grading.notebooks.release import release

    for path in release(arguments.units):
        print(f"Wrote {_shown(path)}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from grading.classrun.run import write_records
    from grading.learner.shown import as_text
    from grading.notebooks.read import unit_of
    from grading.notebooks.submission import grade_submission
    from grading.sandbox.session import NothingRan

    if not arguments.path.is_file():
        raise CourseError(f"{arguments.path} is not a file: name the notebook to check.")
    data = arguments.path.read_bytes()
    # Learners trust themselves, where their machine has no sandbox.
    try:
        graded = grade_submission("you", unit_of(arguments.path.name, data), data, trusted=True)
    except NothingRan as error:
        raise CourseError(f"The notebook could not be run here ({error}).") from None
    for verdict in graded.verdicts:
        print(as_text(verdict) + "\n")
    for problem in graded.problems:
        print(problem)
    total = sum(v.max_score for v in graded.verdicts)
    print(f"{graded.score:g} of {total:g} points")
    write_records(arguments.json, [graded])
    return 0 if graded.score == total else 1


def _grade(arguments: argparse.Namespace) -> int:
    if arguments.yes and not arguments.changed:
        raise CourseError("--yes agrees to what `--changed` shows: give both, or neither.")
    startup.leave_out_grammars()
    _start_workers(arguments.scheduler)
    from grading.classrun import run as classrun

    run = classrun.ClassRun(
        submitted=arguments.submitted,
        units=tuple(classrun.chosen_units(arguments.units)),
        db_url=arguments.db,
        jobs=arguments.jobs,
        scheduler=arguments.scheduler,
        trusted=arguments.trusted,
    ).with_seed(arguments.seed)
    if arguments.changed:
        return _regrade_class(run, arguments.yes, arguments.json)
    return _grade_class(run, arguments.json)


def _start_workers(scheduler: str | None) -> None:
    """They import PyTorch at the same time as this process does."""
    if scheduler:
        from grading.classrun.dask_workers import cluster

        cluster(scheduler).connect()
    else:
        from grading.sandbox import shared

        shared.door()
        startup.worker_context()


def _grade_class(run, json: Path | None = None, kernel: bool = True) -> int:
    """Grade, and print the table; the exit status is 1 where the grading of somebody failed.

    With `kernel`, Jupyter offers the sandbox as one: whoever opens judged notebooks needs it.
    """
    from rich.console import Console

    from grading.classrun.progress import Bar
    from grading.classrun.run import grade_class, write_records
    from grading.classrun.table import print_table
    from grading.sandbox import kernelspec

    if kernel:
        kernelspec.install()  # judged notebooks name it
    console = Console()
    with Bar(len(run.found), console) as bar:
        results = grade_class(run, bar)
    write_records(json, results)  # first: a pipe behind the table may close
    _print_sandbox(results, console)
    print_table(results, console)
    _print_otherwise(run, console)
    for line in (f"Seed: {run.seed}", f"Gradebook: {run.gradebook}"):
        console.print(line, highlight=False, soft_wrap=True)
    return int(any(g.failed for g in results))


def _print_sandbox(results: list, console) -> None:
    for sandbox in sorted({g.sandbox for g in results if g.sandbox}):
        console.print(f"Sandbox: {sandbox}", highlight=False, soft_wrap=True)


def _print_otherwise(run, console) -> None:
    """What the table does not show: points by hand, and whose work was not graded."""
    from grading.classrun.table import print_by_hand, print_left_out

    with run.writer() as writer:
        for unit in run.loaded:
            if points := writer.by_hand(unit.slug):
                console.print("In the gradebook, not in the table:")
                print_by_hand(unit.slug, points, console)
            here = {item.student for item in run.found if item.unit == unit.slug}
            print_left_out(unit.slug, sorted(writer.students(unit.slug) - here), console)
    for line in run.overlooked:
        console.print(f"Not graded: {line}", highlight=False, soft_wrap=True, markup=False)


def _regrade_class(run, yes: bool, json: Path | None) -> int:
    from rich.console import Console

    from grading.classrun.progress import Bar
    from grading.classrun.regrade import regrade
    from grading.classrun.run import write_records
    from grading.classrun.table import print_changes

    console = Console()

    def confirm(changes: list, failed: list[str]) -> None:
        print_changes(changes, console)
        for text in failed:
            print(f"Not graded, so its grades stay: {text}")
        if changes and not yes:
            _ask()

    done = regrade(run, lambda total: Bar(total, console), confirm)
    write_records(json, done.graded)
    _print_sandbox(done.graded, console)
    if done.written:
        print(f"Written into {run.gradebook}.")
    else:
        print("Nothing was written: no submission and no exercise differs from what was graded.")
    return int(bool(done.failed))


def _ask() -> None:
    """Ask before grades are changed; nobody can be asked where there is no terminal."""
    if not sys.stdin.isatty():
        raise CourseError("nothing was written. Add --yes to write these grades.")
    try:
        answer = input("Write these grades into the gradebook? [y/N] ")
    except EOFError:  # Ctrl-D
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CourseError("nothing was written.")


def _new(arguments: argparse.Namespace) -> int:
    from grading.course.skeleton import new_exercise

    for path in new_exercise(arguments.exercise):
        print(f"Wrote {_shown(path)}")
    print(f"Fill them in, then prove it: {_command('course')} bank {arguments.exercise}")
    return 0


def _bank(arguments: argparse.Namespace) -> int:
    from grading.bank_run import print_bank

    return print_bank(arguments.units, arguments.seeds, arguments.json)


def _chat(arguments: argparse.Namespace) -> int:
    from grading.learner.talk import talk

    a = arguments
    own = learner.learners_folder(a.folder) if a.model == "mine" else None
    talk(a.prompt, a.temperature, a.max_new_tokens, a.seed, own)
    return 0


def _all(arguments: argparse.Namespace) -> int:
    from grading.book import build
    from grading.classrun import sample_class
    from grading.classrun.run import ClassRun, chosen_units
    from grading.course.unit import load_unit
    from grading.notebooks.own_output import NotOurs
    from grading.notebooks.release import release

    print("Writing the notebooks ...", flush=True)
    try:
        release()
    except NotOurs as stays:  # a learner who makes the course again has it all the same
        print(f"Note: {stays}", flush=True)
    print("Building the book ...", flush=True)
    index = build(ROOT)
    print("Grading a sample class ...", flush=True)
    submitted = ROOT / "_build" / "sample_class" / "submitted"
    units = chosen_units([])[:1]  # one unit shows how it goes
    sample_class.write(load_unit(units[0]), submitted)
    # The course wrote these submissions itself: no sandbox is needed where there is none.
    status = _grade_class(ClassRun(submitted, tuple(units), trusted=True), kernel=False)
    print(f"\nThe book:            {_shown(index)}  (open it in a browser)")
    print(f"The first notebook:  {_command('course')} start {units[0]}")
    print(f'Talk to the model:   {_command("course")} chat "What is gravity?"')
    print(f"Grade your class:    submissions into submitted/STUDENT/{units[0]}/, then", end=" ")
    print(f"{_command('course')} grade")
    return status


def _command(name: str) -> str:
    """How to type a command of this environment."""
    return _shown(Path(sys.executable).parent / name)


def _shown(path: Path) -> str:
    """A path as seen from the current folder, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
