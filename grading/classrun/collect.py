"""Find what a class handed in and read it, so that a grading run needs no file access of its own.

nbgrader's layout is `submitted/STUDENT/UNIT/UNIT.ipynb`. A notebook under another name, or in a
zip, is taken where it is the only one that can be meant. Nothing is ever followed, extracted or
executed here: a link, a device, a path that leaves the student's folder is refused in words.
"""

import os
import stat
import tempfile
import unicodedata
import weakref
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from grading.course.errors import CourseError
from grading.notebooks.read import Unreadable, unit_of

MAX_BYTES = 50 * 2**20  # of a file handed in, and of a notebook in a zip
MAX_MEMBERS = 1000  # files in a zip
DEPTH = 3  # folders below a student's own
IGNORED = ("__MACOSX", "__pycache__")
MARK = "\N{REPLACEMENT CHARACTER}"  # in the place of a character that no name may have
STRANGE = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, line breaks


class Refused(CourseError):
    """Something handed in that is not read; the message says what and why."""


@dataclass(frozen=True)
class Found:
    """One notebook to grade, or the `reason` why there is none to read.

    `remarks` tell learner and instructor what was done to get at it. `submitted_at` is this
    machine's time of the file (UTC, whole seconds), never a time the learner states.
    """

    student: str
    unit: str
    data: "bytes | StoredContent | None"
    reason: str = ""
    remarks: tuple[str, ...] = ()
    submitted_at: datetime | None = None

    def content(self) -> bytes | None:
        """The bytes of the notebook, wherever they are kept."""
        return self.data.read() if isinstance(self.data, StoredContent) else self.data


class ContentFile:
    """A file without a name for the bytes of a whole class, which would fill the memory."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()
        weakref.finalize(self, self.file.close)

    def keep(self, item: Found) -> Found:
        """The same notebook, with its bytes in the file."""
        if not isinstance(item.data, bytes):
            return item
        start = self.file.seek(0, os.SEEK_END)
        self.file.write(item.data)
        return replace(item, data=StoredContent(self, start, len(item.data)))


@dataclass(frozen=True)
class StoredContent:
    """Where a notebook's bytes lie in that file."""

    storage: ContentFile
    start: int
    size: int

    def read(self) -> bytes:
        """The bytes."""
        self.storage.file.seek(self.start)
        return self.storage.file.read(self.size)


def note_time(folder: Path, submitted_at: datetime) -> None:
    """Leave the time where nbgrader looks for it, beside the judged notebook."""
    (folder / "timestamp.txt").write_text(f"{submitted_at} UTC\n", encoding="utf-8")


def find(submitted: Path, units: list[str]) -> list[Found]:
    """What was handed in of these units, by student and unit; read now, and kept on disk."""
    if (submitted / "submitted").is_dir():
        raise CourseError(
            f"{submitted} holds a folder `submitted`: is it {submitted / 'submitted'} that you "
            f"mean? Students' folders lie in the folder itself."
        )
    if any(folder.name in units for folder in students(submitted)):
        raise CourseError(
            f"{submitted} looks like the folder of one student: is it {submitted.resolve().parent} "
            f"that you mean? Notebooks lie in STUDENT/UNIT/UNIT.ipynb below it."
        )
    storage = ContentFile()
    each = (item for folder in students(submitted) for item in of_student(folder, units))
    found = [storage.keep(item) for item in each]
    if not found:
        names = ", ".join(units)
        raise CourseError(f"{submitted} has no submission of {names} (STUDENT/UNIT/UNIT.ipynb).")
    return found


def overlooked(submitted: Path, found: Iterable[Found]) -> list[str]:
    """What lies there and was not graded, in words: students with nothing in their folder that
    could be of these units, and files in no student's folder."""
    taken = {item.student for item in found}
    names = [_printable(p.name) for p in students(submitted) if _tame(p.name) not in taken]
    said = [f"{name}: nothing of these units" for name in names]
    stray = sorted(p for p in submitted.iterdir() if not p.is_dir() and p.name[0] != ".")
    return said + [f"{_printable(p.name)}: it is in no student's folder" for p in stray]


def students(submitted: Path) -> list[Path]:
    """The students' folders, in a fixed order; a link in the place of one is told, not followed."""
    if not submitted.is_dir():
        raise CourseError(
            f"{submitted} is not a folder. Put submissions into "
            f"submitted/STUDENT/UNIT/UNIT.ipynb, or name another folder with --submitted."
        )
    return sorted(p for p in submitted.iterdir() if p.is_dir() and p.name[0] != ".")


def of_student(folder: Path, units: Iterable[str]) -> list[Found]:
    """One entry for each unit of which the student handed in something.

    If nothing can be told to belong to any of the units, each of them says what was found.
    """
    units = list(units)
    student = _tame(folder.name)
    try:
        if student != folder.name or MARK in student:
            raise Refused(f"The name {student!r} would break paths: rename the folder.")
        if folder.is_symlink():
            raise Refused(f"The student's folder {student} is a link: put the folder itself there.")
        theirs = StudentFiles(folder, _files(folder))
    except Refused as error:
        return [Found(student, unit, None, str(error)) for unit in units]
    found = [item for unit in units if (item := _of_unit(theirs, unit))]
    if not found and theirs.files:
        return [Found(student, unit, None, _nothing(theirs, unit)) for unit in units]
    return found


def _tame(name: str) -> str:
    """A student's name, any Unicode but for what breaks a path, a table or a log."""
    tame = _printable(name).replace("/", MARK).replace("\\", MARK).strip()
    return MARK if tame in ("", ".", "..") else tame


def _printable(name: str) -> str:
    return "".join(MARK if unicodedata.category(c) in STRANGE else c for c in name)


# --- which file is the unit's ---------------------------------------------------------------------


@dataclass
class StudentFiles:
    """All files of one student, and which unit each says it is of; read only where asked."""

    folder: Path
    files: list[Path]
    _known: dict[Path, str | None] = field(default_factory=dict)

    def shown(self, path: Path) -> str:
        """A file's path below the student's folder."""
        return _printable(path.relative_to(self.folder).as_posix())

    def says(self, path: Path) -> str | None:
        """The unit that a file's name, or else its content, says it is of."""
        if path not in self._known:
            self._known[path] = _unit_by(path)
        return self._known[path]

    def of(self, unit: str) -> list[Path]:
        """The files that may be the unit's notebook, the likelier ones only."""
        exact = self.folder / unit / f"{unit}.ipynb"
        if exact in self.files:
            return [exact]
        likely = [path for path in self.files if _may_hold_a_notebook(path)]
        inside = [path for path in likely if self.says(path) is None and self._lies_in(path, unit)]
        return [path for path in likely if self.says(path) == unit] or inside

    def _lies_in(self, path: Path, unit: str) -> bool:
        folders = path.relative_to(self.folder).parts[:-1]
        return any(_named(folder) == unit for folder in folders)


def _files(folder: Path) -> list[Path]:
    try:
        return list(_listing(folder, DEPTH))
    except OSError as error:
        raise Refused(f"The folder cannot be read ({error.strerror}).") from None


def _listing(folder: Path, depth: int) -> Iterator[Path]:
    """Everything below that is not a folder, hidden names left out; links are not followed."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        elif depth:
            yield from _listing(Path(entry.path), depth - 1)


def _may_hold_a_notebook(path: Path) -> bool:
    return path.suffix.lower() in (".ipynb", ".zip") or path.is_symlink()


def _unit_by(path: Path) -> str | None:
    try:
        return _named(path.stem) or unit_of("", read(path)[0])
    except (Refused, Unreadable):
        return None


def _named(name: str) -> str | None:
    """The unit in a file's or folder's name: "Attention (1)" is 05_attention."""
    try:
        return unit_of(name, b"")
    except Unreadable:
        return None


def _of_unit(theirs: StudentFiles, unit: str) -> Found | None:
    student = theirs.folder.name
    candidates = theirs.of(unit)
    if len(candidates) == 1:
        return _take(theirs, unit, candidates[0])
    if candidates:
        return Found(student, unit, None, _several(unit, map(theirs.shown, candidates)))
    if (theirs.folder / unit).is_dir():
        return Found(student, unit, None, _nothing(theirs, unit))
    return None


def _take(theirs: StudentFiles, unit: str, path: Path) -> Found:
    """Read the one candidate; what it is called and what it was packed in is remarked."""
    student, remarks, at = theirs.folder.name, [], None
    try:
        data, at = read(path)
        if path != theirs.folder / unit / f"{unit}.ipynb":
            remarks.append(f"Taken from {theirs.shown(path)}: there is no {unit}/{unit}.ipynb.")
        if data.startswith(b"PK\x03\x04"):
            data, member = unpack(data, unit)
            remarks.append(f"{theirs.shown(path)} is a zip file; {member} was taken from it.")
    except Refused as error:
        return Found(student, unit, None, f"{theirs.shown(path)}: {error}", (), at)
    return Found(student, unit, data, "", tuple(remarks), at)


def _several(unit: str, names: Iterable[str]) -> str:
    return f"More than one file may be {unit}.ipynb: {_some(names)}. Hand in one, by that name."


def _nothing(theirs: StudentFiles, unit: str) -> str:
    found = _some(map(theirs.shown, theirs.files)) if theirs.files else "an empty folder"
    return f"No notebook of {unit} was handed in. Found: {found}."


def _some(names: Iterable[str], limit: int = 5) -> str:
    names = list(names)
    more = [f"and {len(names) - limit} more"] if len(names) > limit else []
    return ", ".join([*(name[:80] for name in names[:limit]), *more])


# --- reading --------------------------------------------------------------------------------------


def read(path: Path, limit: int = MAX_BYTES) -> tuple[bytes, datetime | None]:
    """Content and time of an ordinary file of its own; anything else is Refused, unread."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # what this system has
        flags |= getattr(os, name, 0)
    try:
        _check_ordinary(os.lstat(path))
        with open(os.open(path, flags), "rb") as file:
            state = os.fstat(file.fileno())  # of what was opened, should it have been exchanged
            _check_ordinary(state)
            data = file.read(limit + 1)
    except OSError as error:
        raise Refused(f"It cannot be read ({error.strerror}).") from None
    if len(data) > limit:
        raise Refused(f"It is larger than {limit / 2**20:g} MB.")
    return data, _time_of(state)


def _time_of(state: os.stat_result) -> datetime | None:
    """When the file was written; None where that is no time that a date could tell."""
    try:
        return datetime.fromtimestamp(int(state.st_mtime), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def _check_ordinary(state: os.stat_result) -> None:
    if stat.S_ISLNK(state.st_mode):
        raise Refused("It is a link, and links are not followed: hand in the file itself.")
    if not stat.S_ISREG(state.st_mode):
        raise Refused("It is no ordinary file (a pipe, socket or device): hand in the notebook.")
    if state.st_nlink > 1:
        raise Refused("It is a hard link, a second name of another file: hand in a copy.")


def unpack(data: bytes, unit: str) -> tuple[bytes, str]:
    """The unit's notebook in a zip, and its name there; in memory, nothing is extracted."""
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:  # before the list of members is built
        raise Refused(f"The zip file has more than {MAX_MEMBERS} files in it.")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            info = _member(archive, unit)
            with archive.open(info) as file:
                content = file.read(MAX_BYTES + 1)
    except Refused:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds on a damaged file
        what = f"The zip file cannot be read ({type(error).__name__})"
        raise Refused(f"{what}: hand in the notebook itself.") from None
    if len(content) > MAX_BYTES:
        raise Refused(f"The notebook in the zip file is larger than {MAX_BYTES / 2**20:g} MB.")
    return content, _printable(info.filename)


def _member(archive: zipfile.ZipFile, unit: str) -> zipfile.ZipInfo:
    for info in archive.infolist():
        path = PureWindowsPath(info.filename)  # knows / and \\ and drives
        if path.drive or path.root or ".." in path.parts:
            shown = _printable(info.filename)[:80]
            raise Refused(f"The zip file has a path that leads out of it: {shown}.")
    notebooks = [info for info in archive.infolist() if _is_notebook(info.filename)]
    exact = [info for info in notebooks if PurePosixPath(info.filename).name == f"{unit}.ipynb"]
    likely = exact or [i for i in notebooks if _named(PurePosixPath(i.filename).stem) == unit]
    candidates = likely or notebooks
    if len(candidates) > 1:
        raise Refused(_several(unit, (_printable(info.filename) for info in candidates)))
    if not candidates:
        raise Refused(f"The zip file has no notebook in it: hand in {unit}.ipynb.")
    if candidates[0].flag_bits & 1:
        raise Refused("The zip file has a password: hand in the notebook itself.")
    if candidates[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused("The zip file has an unusual compression: hand in the notebook itself.")
    return candidates[0]


def _is_notebook(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part in IGNORED for part in parts)
    return name.lower().endswith(".ipynb") and not hidden
