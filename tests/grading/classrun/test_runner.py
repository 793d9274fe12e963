"""The runner: workers that die, failures that are reported, numbers that say how far it is."""

import contextlib
import multiprocessing
import os
import signal
import sys
import weakref
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
from nbgrader.api import Gradebook
from rich.console import Console

from grading.classrun import progress, signals, workers
from grading.classrun import run as classrun
from grading.course.errors import CourseError
from tests.grading.books import SLUG, hand_in, new_gradebook

# Tasks for other processes are texts that these evaluate: nothing of a test is imported there.
DIES = "__import__('os').kill(__import__('os').getpid(), 9)"


def run(texts, jobs=2):
    """Result or exception of every text, evaluated in a worker."""
    with workers.LocalWorkers(jobs) as pool:
        calls = ((text, (text,), {}) for text in texts)
        return dict(workers.run_tasks(pool, eval, calls))


def test_a_submission_that_kills_its_process_twice_is_named_and_the_rest_goes_on():
    texts = [f"{number} * 2" for number in range(9)]
    outcomes = run([*texts[:4], DIES, *texts[4:]])
    killed = outcomes.pop(DIES)
    assert isinstance(killed, workers.Died)
    assert outcomes == {text: eval(text) for text in texts}


def test_a_process_that_dies_once_costs_nothing_and_is_told(tmp_path, caplog):
    mark = str(tmp_path / "mark")
    once = f"{DIES} if not __import__('os').path.exists({mark!r}) and open({mark!r}, 'x') else 7"
    assert run(["1 + 1", once, "2 + 2"]) == {"1 + 1": 2, once: 7, "2 + 2": 4}
    assert "A process that grades has died" in caplog.text


def test_a_process_that_dies_amid_its_result_is_not_waited_for(tmp_path, monkeypatch):
    """The pool itself would wait for ever for the rest of the message."""
    monkeypatch.setattr(workers, "PATIENCE", 1.0)
    half = "__import__('multiprocessing').current_process()._args[1]._writer.fileno()"
    half = f"__import__('os').write({half}, bytes([0, 0, 9, 9, 1]))"
    mark = str(tmp_path / "mark")
    once = f"7 if __import__('os').path.exists({mark!r}) else (open({mark!r}, 'x'), {half}, {DIES})"
    assert run(["1 + 1", once, "2 + 2"]) == {"1 + 1": 2, once: 7, "2 + 2": 4}


def test_an_error_is_the_outcome_of_its_own_task_alone():
    outcomes = run(["1 / 0", "3"], jobs=1)
    assert isinstance(outcomes["1 / 0"], ZeroDivisionError) and outcomes["3"] == 3


def test_processes_that_cannot_start_are_said_and_not_blamed_on_submissions(monkeypatch):
    def pool(self):
        return ProcessPoolExecutor(self.slots, initializer=os._exit, initargs=(1,))

    monkeypatch.setattr(workers.LocalWorkers, "_pool", pool)
    with pytest.raises(CourseError, match="end as soon as they start"):
        run(["1", "2"], jobs=1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_are_forked_from_a_process_of_one_thread_that_has_imported_torch():
    parent = "__import__('os').getppid()"
    loaded = "'torch' in __import__('sys').modules"
    status = f"open('/proc/' + str({parent}) + '/status').read()"
    maps = f"'libtorch_cpu' in open('/proc/' + str({parent}) + '/maps').read()"
    one_thread = "__import__('torch').get_num_threads()"
    found = run([parent, status, maps, loaded, one_thread], jobs=1)
    assert found[parent] != os.getpid()
    assert "Threads:\t1\n" in found[status]
    assert found[maps] and found[loaded]
    assert found[one_thread] == 1


def test_the_environment_is_as_before_and_ctrl_c_leaves_no_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pytest.raises(KeyboardInterrupt), workers.LocalWorkers(1) as pool:
        process = pool.submit(os.getpid).result()
        pool.submit(eval, "__import__('time').sleep(600)")
        raise KeyboardInterrupt
    assert os.environ["OMP_NUM_THREADS"] == "3"
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_stopped_run_need_not_force_its_processes():
    """One works, one is idle: when the idle one ends, the pool tells the other a second time."""
    with pytest.raises(KeyboardInterrupt), workers.LocalWorkers(2) as pool:
        pool.submit(workers.alone, eval, "__import__('time').sleep(600)")
        idle = pool.submit(os.getpid).result()
        processes = multiprocessing.active_children()
        assert len(processes) == 2 and idle in [process.pid for process in processes]
        raise KeyboardInterrupt
    # 255 stands for an exit code that another thread has read already.
    assert {process.exitcode for process in processes} <= {workers.STOPPED, 255}


@pytest.fixture
def interruptible():
    """Ctrl-C as at a terminal; a run in the background begins with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_ctrl_c_that_somebody_catches_is_not_lost(interruptible):
    with signals.remembered():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(["1"])
    signals.check()


def test_a_ctrl_c_that_meets_a_finalizer_is_heard_without_a_word(interruptible, monkeypatch):
    """Python drops what a finalizer raises, and says so; of anything else it still does."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))
    with signals.remembered():
        for drop in (lambda _: 1 / 0, lambda _: signal.raise_signal(signal.SIGINT)):
            thing = Thing()
            gone = weakref.ref(thing, drop)
            del thing
            assert gone() is None
        assert told == [ZeroDivisionError]
        with pytest.raises(KeyboardInterrupt):
            signals.check()


class Thing:
    """Something that ends."""


def test_a_worker_with_another_version_of_the_course_refuses(unit):
    with pytest.raises(CourseError, match="another version of 05_attention"):
        workers.grade_task("a", unit.slug, None, "of last week")


# --- a class in this process ----------------------------------------------------------------------


class Inline:
    """Workers without processes; some students' tasks fail."""

    slots = 1
    death = BrokenProcessPool

    def __init__(self, failing=()):
        self.failing = failing

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, student, *arguments, **options):
        future = Future()
        if error := dict(self.failing).get(student):
            future.set_exception(error)
        else:
            future.set_result(function(student, *arguments, **options))
        return future


class Run(classrun.ClassRun):
    """A class run on inline workers."""

    failing = ()

    def workers(self):
        return Inline(self.failing)


class Silent:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.reused = {}

    def add(self, graded, reused):
        self.reused[graded.student] = reused


@pytest.fixture
def home(tmp_path):
    new_gradebook(tmp_path)
    for student in ("ada", "ben", "cleo"):
        hand_in(tmp_path / "submitted", student, f"no notebook of {student}".encode())
    return tmp_path


def failing(home, **errors):
    made = Run(home / "submitted", (SLUG,))
    type(made).failing = tuple(errors.items())
    return made


def review(home, student):
    with Gradebook(f"sqlite:///{home / 'gradebook.db'}") as book:
        [notebook] = book.find_submission(SLUG, student).notebooks
        return {grade.needs_manual_grade for grade in notebook.grades}


def test_grading_that_fails_is_reported_marked_for_review_and_tried_again(home):
    watcher = Silent()
    first = classrun.grade_class(failing(home, ben=RuntimeError("no room")), watcher)
    assert [g.student for g in first] == ["ada", "ben", "cleo"]
    assert {v.status for v in first[1].verdicts} == {"error"}
    assert "no room" in first[1].verdicts[0].message and "review" in first[1].problems[-1]
    assert (review(home, "ada"), review(home, "ben")) == ({False}, {True})
    assert set(watcher.reused.values()) == {False}
    second = classrun.grade_class(failing(home), watcher)
    assert {v.status for v in second[1].verdicts} == {"refused"}
    assert review(home, "ben") == {False}
    assert watcher.reused == {"ada": True, "ben": False, "cleo": True}


def test_a_fault_of_the_course_stops_the_run_and_what_is_done_is_kept(home):
    with pytest.raises(CourseError, match="release it"):
        classrun.grade_class(failing(home, ben=CourseError("release it")), Silent())
    watcher = Silent()
    classrun.grade_class(failing(home), watcher)
    assert watcher.reused["ada"] and not watcher.reused["ben"]


def test_a_gradebook_that_was_put_back_or_edited_is_brought_up_to_date(home):
    classrun.grade_class(failing(home), Silent())
    kept = (home / "gradebook.db").read_bytes()
    judged = home / "autograded" / "ben" / SLUG / f"{SLUG}.ipynb"
    whole = judged.read_bytes()
    judged.write_text("cut o")
    hand_in(home / "submitted", "dara", b"late")
    classrun.grade_class(failing(home), Silent())
    assert judged.read_bytes() == whole
    (home / "gradebook.db").write_bytes(kept)  # without dara
    classrun.grade_class(failing(home), Silent())
    assert review(home, "dara") == {False}


def test_two_runs_at_once_are_refused(home):
    made = failing(home)
    with made.store(), pytest.raises(CourseError, match="Another `course grade`"):
        classrun.grade_class(failing(home), Silent())


def test_every_setting_that_decides_a_result_is_in_its_key(home, monkeypatch):
    [item, *_] = classrun.find(home / "submitted", [SLUG])
    runs = [
        Run(home / "submitted", (SLUG,)),
        Run(home / "submitted", (SLUG,), seed=1),
        Run(home / "submitted", (SLUG,), trusted=True),
    ]
    keys = {made.key(item) for made in runs}
    monkeypatch.setattr(classrun, "unit_version", lambda unit: "edited")
    keys.add(runs[0].key(item))
    monkeypatch.setenv("COURSE_BOOK", "https://example.org/book")
    keys.add(runs[0].key(item))
    assert len(keys) == 5
    assert runs[0].key(item) == Run(home / "submitted", (SLUG,), jobs=3).key(item)


# --- how far it is --------------------------------------------------------------------------------


def test_rate_and_time_left_count_only_what_is_graded_now(unit):
    now = [0.0]
    tally = progress.Tally(10, clock=lambda: now[0])
    good = classrun.Graded("a", unit.slug, (), b"", (), 0.0)
    crashed = classrun.Graded("b", unit.slug, (), b"", ("It crashed.",), 0.0)
    for _ in range(4):
        tally.add(good, reused=True)
    assert tally.pace() == "0/min, 0 with problems, time left unknown"
    now[0] = 30.0
    tally.add(good, reused=False)
    tally.add(crashed, reused=False)
    assert tally.pace() == "4/min, 1 with problems, 1:00 left"
    assert (
        tally.line()
        == "2 submissions graded in 0:30 (4 a minute), 4 as graded before; 1 with problems."
    )


def test_the_bar_shows_count_rate_failures_and_time_left(unit, capsys):
    console = Console(force_terminal=True, width=100)
    with progress.Bar(2, console) as bar:
        bar.add(classrun.Graded("a", unit.slug, (), b"", ("It crashed.",), 0.0), False)
    out = capsys.readouterr().out
    assert "1/2" in out and "/min, 1 with problems, 0:00 left" in out
    assert "1 submission graded in 0:00" in out.splitlines()[-1]


def test_the_time_left_grows_while_nothing_ends(unit, capsys):
    now = [0.0]
    console = Console(force_terminal=True, width=100)
    with progress.Bar(2, console, clock=lambda: now[0]) as bar:
        now[0] = 10.0
        bar.add(classrun.Graded("a", unit.slug, (), b"", (), 0.0), False)
        assert "0:10 left" in _shown(console, bar)
        now[0] = 40.0
        assert "0:40 left" in _shown(console, bar)


def _shown(console, bar) -> str:
    """What is on the terminal now; the bar draws itself anew ten times a second."""
    with console.capture() as capture:
        console.print(bar._progress)
    return capture.get()


def test_an_error_at_the_start_speaks_for_itself(capsys):
    with pytest.raises(CourseError), progress.Bar(2, Console()):
        raise CourseError("no gradebook")
    assert capsys.readouterr().out == ""
