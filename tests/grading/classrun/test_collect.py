"""What is handed in is found under many names, and nothing else is ever read."""

import io
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Gradebook

from grading.classrun import collect, sample_class
from grading.classrun.collect import Refused, find, of_student, overlooked, read, unpack
from grading.course.errors import CourseError
from grading.course.places import ROOT

UNIT = "05_attention"
RIGHT_NAME = f"{UNIT}/{UNIT}.ipynb"
STRANGE = b'{"a": "notebook of nowhere"}'
SECRET = b"a secret of the server"


@pytest.fixture
def ada(tmp_path):
    """Writes files into a student's folder, as `ada({path: content})`; returns the folder."""

    def write(files, student="ada"):
        for name, content in files.items():
            path = tmp_path / "submitted" / student / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "submitted" / student

    return write


def only(folder):
    [item] = of_student(folder, [UNIT])
    return item


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)  # always the same date
    return packed.getvalue()


# --- names ----------------------------------------------------------------------------------------


def test_the_right_name_needs_no_remark_whatever_lies_beside_it(ada):
    beside = {f"{UNIT}/{UNIT}-Copy1.ipynb": b"old", f"{UNIT}/data.csv": b"1", "notes.txt": b"-"}
    found = only(ada({RIGHT_NAME: b"mine", **beside}))
    assert (found.student, found.unit, found.content()) == ("ada", UNIT, b"mine")
    assert (found.reason, found.remarks) == ("", ())


@pytest.mark.parametrize(
    "name",
    [
        f"{UNIT}/{UNIT} (1).ipynb",
        f"{UNIT}/{UNIT}-Copy1.ipynb",
        f"{UNIT}/attention.ipynb",
        f"{UNIT}/Homework.IPYNB",
        f"{UNIT}.ipynb",
        "Attention final.ipynb",
        f"unit five/{UNIT}.ipynb",
        "05-Attention/homework.ipynb",
        f"hand-in/{UNIT}/{UNIT}.ipynb",
    ],
)
def test_another_name_is_taken_and_said(ada, name):
    found = only(ada({name: STRANGE, "readme.txt": b"-", f".ipynb_checkpoints/{UNIT}.ipynb": b"-"}))
    assert found.content() == STRANGE
    assert found.remarks == (f"Taken from {name}: there is no {RIGHT_NAME}.",)


def test_a_name_that_says_nothing_is_known_by_its_checks(ada, unit, right):
    data = sample_class.notebook_with(unit, right)
    assert only(ada({"homework.ipynb": data, "other.ipynb": STRANGE})).content() == data


def test_a_notebook_that_names_the_unit_comes_before_others_in_its_folder(ada):
    folder = ada({f"{UNIT}/{UNIT} (2).ipynb": b"mine", f"{UNIT}/scratch.ipynb": STRANGE})
    assert only(folder).content() == b"mine"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([f"{UNIT}/attention.ipynb", f"{UNIT}.ipynb"], ["More than one", "attention.ipynb, 05"]),
        ([f"{UNIT}/a.ipynb", f"{UNIT}/b.ipynb"], ["More than one", f"{UNIT}/a.ipynb, {UNIT}/b"]),
        ([f"{UNIT}/answers.txt"], [f"No notebook of {UNIT}", "answers.txt"]),
        (["holiday.ipynb"], [f"No notebook of {UNIT}", "holiday.ipynb"]),
        ([f"{i}.txt" for i in range(9)], ["4.txt, and 4 more."]),
    ],
)
def test_none_or_several_are_named(ada, files, said):
    found = only(ada(dict.fromkeys(files, STRANGE)))
    assert found.content() is None
    for text in said:
        assert text in found.reason


def test_an_empty_folder_of_the_unit_is_an_empty_submission(tmp_path):
    (tmp_path / "ada" / UNIT).mkdir(parents=True)
    assert "an empty folder" in only(tmp_path / "ada").reason
    (tmp_path / "ben").mkdir()
    assert of_student(tmp_path / "ben", [UNIT]) == []


def test_a_student_of_one_unit_has_no_entry_for_another(ada):
    found = of_student(ada({RIGHT_NAME: b"mine", "stray.ipynb": STRANGE}), [UNIT, "99_more"])
    assert [item.unit for item in found] == [UNIT]


def test_a_class_comes_in_order_of_its_names(ada, tmp_path):
    for student in ("李 明", "Zoë O'Neill", "ada", "b+c.d"):
        ada({RIGHT_NAME: b"mine"}, student)
    ada({RIGHT_NAME: b"mine"}, ".trash")
    found = find(tmp_path / "submitted", [UNIT])
    assert [item.student for item in found] == sorted(["李 明", "Zoë O'Neill", "ada", "b+c.d"])
    assert {item.content() for item in found} == {b"mine"}


def test_no_class_says_where_to_put_one(tmp_path):
    with pytest.raises(CourseError, match="--submitted"):
        find(tmp_path / "nowhere", [UNIT])
    with pytest.raises(CourseError, match="STUDENT/UNIT/UNIT.ipynb"):
        find(tmp_path, [UNIT])


def test_the_folder_above_is_not_taken_for_a_class(tmp_path, ada):
    with pytest.raises(CourseError, match="is it .*submitted that you mean"):
        (tmp_path / "above" / "submitted" / "ada").mkdir(parents=True)
        collect.find(tmp_path / "above", [UNIT])


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[31mb", "a\\b", " ada", "a\u2028b", os.fsdecode(b"\xff")]
)
def test_a_name_that_breaks_paths_is_refused_and_printable(ada, name):
    found = only(ada({RIGHT_NAME: b"mine"}, name))
    assert found.content() is None
    assert "rename the folder" in found.reason
    assert found.student.encode().decode().isprintable()
    assert found.student not in (name, "", ".", "..")


@pytest.mark.parametrize("name", ["..", ".", "../ada"])
def test_a_student_is_no_path(ada, tmp_path, name):
    ada({RIGHT_NAME: b"mine"})
    found = only(Path(f"{tmp_path}/submitted/ada/{name}"))
    assert found.content() is None or found.student == "ada"


# --- what is no ordinary file ---------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path):
    """A folder beside the submissions, with a notebook that nobody may read."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / f"{UNIT}.ipynb").write_bytes(SECRET)
    return folder


def a_link(folder, outside):
    (folder / UNIT).mkdir()
    (folder / RIGHT_NAME).symlink_to(outside / f"{UNIT}.ipynb")


def a_link_within_the_submission(folder, outside):
    (folder / UNIT).mkdir()
    (folder / "x.txt").write_bytes(b"mine")
    (folder / RIGHT_NAME).symlink_to("../x.txt")


def a_link_of_another_name(folder, outside):
    (folder / "attention").symlink_to(outside / f"{UNIT}.ipynb")


def a_link_in_the_place_of_the_folder(folder, outside):
    (folder / UNIT).symlink_to(outside, target_is_directory=True)


def a_link_in_the_place_of_the_student(folder, outside):
    folder.rmdir()
    folder.symlink_to(outside, target_is_directory=True)


def a_dangling_link(folder, outside):
    (folder / UNIT).mkdir()
    (folder / RIGHT_NAME).symlink_to("nowhere")


def a_hard_link(folder, outside):
    (folder / UNIT).mkdir()
    os.link(outside / f"{UNIT}.ipynb", folder / RIGHT_NAME)


def a_pipe(folder, outside):
    (folder / UNIT).mkdir()
    os.mkfifo(folder / RIGHT_NAME)


def a_zip_that_is_a_link(folder, outside):
    (outside / "x.zip").write_bytes(zipped({f"{UNIT}.ipynb": SECRET}))
    (folder / f"{UNIT}.zip").symlink_to(outside / "x.zip")


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        (a_link, "is a link"),
        (a_link_within_the_submission, "is a link"),
        (a_link_of_another_name, "is a link"),
        (a_link_in_the_place_of_the_folder, "is a link"),
        (a_link_in_the_place_of_the_student, "is a link"),
        (a_dangling_link, "is a link"),
        (a_hard_link, "hard link"),
        (a_pipe, "no ordinary file"),
        (a_zip_that_is_a_link, "is a link"),
    ],
)
def test_what_is_no_file_of_the_student_is_refused_unread(tmp_path, outside, trick, said):
    folder = tmp_path / "submitted" / "ada"
    folder.mkdir(parents=True)
    trick(folder, outside)
    found = only(folder)
    assert found.content() is None
    assert said in found.reason


def test_a_link_put_there_between_two_looks_is_not_followed(tmp_path, outside, monkeypatch):
    path = tmp_path / "x.ipynb"
    path.symlink_to(outside / f"{UNIT}.ipynb")
    monkeypatch.setattr(os, "lstat", os.stat)  # as if it had been a file a moment ago
    with pytest.raises(Refused, match="cannot be read"):
        read(path)


def test_a_device_is_not_opened():
    with pytest.raises(Refused, match="no ordinary file"):
        read(Path(os.devnull))


def test_size_is_limited(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read(tmp_path / "x", limit=5)[0] == b"12345"
    with pytest.raises(Refused, match="larger than"):
        read(tmp_path / "x", limit=4)


@pytest.mark.parametrize("stamp", [b"rubbish", b"", b"1999-01-01 00:00:00 UTC", b"\xff\xfe"])
def test_the_time_is_that_of_this_machine(ada, stamp):
    folder = ada({RIGHT_NAME: b"mine", f"{UNIT}/timestamp.txt": stamp})
    moment = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    os.utime(folder / RIGHT_NAME, (moment.timestamp() + 0.7,) * 2)
    assert only(folder).submitted_at == moment.replace(tzinfo=None)


# --- zip files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [f"{UNIT}/hand-in.zip", f"{UNIT}.zip", RIGHT_NAME, "Attention.zip"]
)
def test_a_zip_is_read_in_memory(ada, name):
    members = {f"work/{UNIT}.ipynb": b"mine", "__MACOSX/._x.ipynb": b"-", "work/data.csv": b"1"}
    folder = ada({name: zipped(members)})
    before = sorted(folder.rglob("*"))
    found = only(folder)
    assert found.content() == b"mine"
    assert f"{name} is a zip file; work/{UNIT}.ipynb was taken from it." in found.remarks
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["any.ipynb"], "any.ipynb"),
        (["scratch.ipynb", "attention (1).ipynb"], "attention (1).ipynb"),
        ([f"{UNIT}.ipynb", "attention-old.ipynb"], f"{UNIT}.ipynb"),
        ([".ipynb_checkpoints/attention.ipynb", "x.ipynb"], "x.ipynb"),
    ],
)
def test_the_one_notebook_of_a_zip_is_taken(names, taken):
    members = {name: name.encode() for name in names}
    assert unpack(zipped(members), UNIT) == (taken.encode(), taken)


@pytest.mark.parametrize(
    "name",
    ["../x.ipynb", "a/../../x.ipynb", "/etc/x.ipynb", "..\\x.ipynb", "C:\\x.ipynb", "\\x.ipynb"],
)
def test_a_path_that_leads_out_of_a_zip_is_refused(name):
    with pytest.raises(Refused, match="leads out"):
        unpack(zipped({name: b"-", f"{UNIT}.ipynb": b"mine"}), UNIT)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped({"a.ipynb": b"", "b.ipynb": b""}), "More than one file may be"),
        (zipped({"a.txt": b""}), "no notebook in it"),
        (zipped({"a.ipynb": b"x"}, zipfile.ZIP_LZMA), "unusual compression"),
        (zipped({f"{i}.txt": b"" for i in range(1001)}), "more than 1000 files"),
        (zipped({"a.ipynb": b"x" * 1000})[:60], "cannot be read"),
        (b"PK\x03\x04 not a zip", "cannot be read"),
    ],
    ids=["two", "none", "compression", "many", "cut", "rubbish"],
)
def test_a_zip_that_cannot_be_used_says_why(data, said):
    with pytest.raises(Refused, match=said):
        unpack(data, UNIT)


def test_a_zip_with_a_password_is_refused():
    data = bytearray(zipped({"a.ipynb": b"x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # "encrypted", in the list of members
    with pytest.raises(Refused, match="password"):
        unpack(bytes(data), UNIT)


def test_a_zip_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(collect, "MAX_BYTES", 2**20)
    bomb = zipped({"a.ipynb": bytes(2**24)})
    assert len(bomb) < 2**16
    with pytest.raises(Refused, match="larger than 1 MB"):
        unpack(bomb, UNIT)


GOOD_ZIP = zipped({f"x/{UNIT}.ipynb": b"mine" * 50, "b.txt": b"-"})


@given(st.integers(0, len(GOOD_ZIP) - 1), st.binary(max_size=12))
def test_a_damaged_zip_is_read_or_refused(place, noise):
    data = GOOD_ZIP[:place] + noise + GOOD_ZIP[place + len(noise) :]
    try:
        assert isinstance(unpack(data, UNIT)[0], bytes)
    except Refused as error:
        assert str(error)


def test_the_folder_of_one_student_is_not_taken_for_a_class(tmp_path):
    (tmp_path / "submitted" / "ada" / UNIT).mkdir(parents=True)
    (tmp_path / "submitted" / "ada" / UNIT / f"{UNIT}.ipynb").write_bytes(b"{}")
    with pytest.raises(CourseError, match="looks like the folder of one student"):
        find(tmp_path / "submitted" / "ada", [UNIT])


def test_what_is_overlooked_is_told(tmp_path):
    (tmp_path / "ada" / UNIT).mkdir(parents=True)
    (tmp_path / "mia").mkdir()
    (tmp_path / "olga.ipynb").write_bytes(b"{}")
    (tmp_path / ".hidden").write_bytes(b"")
    found = find(tmp_path, [UNIT])
    assert overlooked(tmp_path, found) == [
        "mia: nothing of these units",
        "olga.ipynb: it is in no student's folder",
    ]


@pytest.mark.parametrize("seconds", [1e12, -1e12])
def test_a_time_that_is_none_stops_nobody(tmp_path, seconds):
    path = tmp_path / "ada" / RIGHT_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    far = os.stat_result((*os.stat(path)[:7], seconds, seconds, seconds))
    assert collect._time_of(far) is None
    assert collect._time_of(os.stat(path)) is not None


# --- stock nbgrader -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stock(tmp_path_factory, unit, right):
    """A class of odd submissions, graded by `nbgrader autograde` alone into a new gradebook."""
    home = tmp_path_factory.mktemp("stock")
    good = sample_class.notebook_with(unit, right)
    files = {
        f"back-dated/{RIGHT_NAME}": good,
        f"back-dated/{UNIT}/timestamp.txt": b"1999-01-01 00:00:00 UTC",
        f"malformed/{RIGHT_NAME}": good,
        f"malformed/{UNIT}/timestamp.txt": b"rubbish",
        f"malformed/{UNIT}/reference_impl.py": b"-",
        f"malformed/{UNIT}/submission_secret.txt": b"of the exchange",
        "renamed/attention (1).ipynb": good,
        f"zipped/{UNIT}.zip": zipped({"attention.ipynb": good}),
        f"several/{UNIT}/a.ipynb": good,
        f"several/{UNIT}/b.ipynb": good,
        f"line\nbreak/{RIGHT_NAME}": good,
        "../secret.txt": SECRET,
    }
    for name, content in files.items():
        path = home / "submitted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (home / "submitted" / "linked" / UNIT).mkdir(parents=True)
    for name in (f"{UNIT}.ipynb", "data.csv", "submission_secret.txt"):
        (home / "submitted" / "linked" / UNIT / name).symlink_to(home / "secret.txt")
    done = nbgrader(home, "autograde", UNIT)
    assert done.returncode == 0 and "SAWarning" not in done.stderr, done.stderr
    assert "renamed: Taken from" in done.stderr and "No submitted file" not in done.stderr
    return home


def nbgrader(home, *arguments):
    options = [f"--CourseDirectory.db_url=sqlite:///{home / 'gradebook.db'}"]
    for step in ("release", "submitted", "autograded"):
        options.append(f"--CourseDirectory.{step}_directory={home / step}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments, *options],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    return done


def test_stock_nbgrader_grades_what_can_be_meant(stock, unit):
    with Gradebook(f"sqlite:///{stock / 'gradebook.db'}") as book:
        scores = {s.student_id: s.score for s in book.assignment_submissions(UNIT)}
    full = sum(e.points for e in unit.exercises)
    expected = dict.fromkeys(["back-dated", "malformed", "renamed", "zipped"], full)
    assert scores == expected | {"several": 0, "linked": 0}


def test_stock_nbgrader_believes_no_time_but_its_own(stock):
    written = datetime.fromtimestamp((stock / "secret.txt").stat().st_mtime, UTC)
    with Gradebook(f"sqlite:///{stock / 'gradebook.db'}") as book:
        for student in ("back-dated", "malformed", "renamed", "zipped"):
            told = book.find_submission(UNIT, student).timestamp.replace(tzinfo=UTC)
            assert abs((told - written).total_seconds()) < 60


def test_stock_nbgrader_copies_nothing_but_the_notebook(stock):
    graded = stock / "autograded"
    names = {path.relative_to(graded).as_posix() for path in graded.rglob("*") if path.is_file()}
    timed = ["back-dated", "malformed", "renamed", "zipped"]
    expected = {f"{student}/{RIGHT_NAME}" for student in [*timed, "several", "linked"]}
    expected |= {f"{student}/{UNIT}/timestamp.txt" for student in timed}
    assert names == expected | {f"malformed/{UNIT}/submission_secret.txt"}
    assert not any(SECRET in (graded / name).read_bytes() for name in names)


def test_stock_nbgrader_grades_again_only_what_is_newer(stock):
    path = stock / "autograded" / "renamed" / RIGHT_NAME
    before = path.stat().st_mtime_ns
    nbgrader(stock, "autograde", UNIT, "--student=renamed")
    assert path.stat().st_mtime_ns == before
    handed_in = stock / "submitted" / "renamed" / "attention (1).ipynb"
    os.utime(handed_in, (handed_in.stat().st_mtime + 3600,) * 2)
    nbgrader(stock, "autograde", UNIT, "--student=renamed")
    assert path.stat().st_mtime_ns > before


def test_stock_nbgrader_is_led_nowhere_by_a_students_name(stock):
    done = nbgrader(stock, "autograde", UNIT, "--student=../submitted/renamed")
    assert done.returncode == 1
    assert "has no submission" in done.stderr
