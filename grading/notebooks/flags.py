"""Code that an instructor will want to look at: remarks, never a loss of points.

What a submission can do, the sandbox decides; what it is worth, the judge. A pattern in its text
proves nothing: a comment may match, and a cheat may be spelt so that it does not.
"""

import re
from functools import cache

from nbformat import NotebookNode

from grading.course.unit import Unit

LONGEST = 100_000  # characters of a cell that are looked at

# How the remark goes on, and the regular expressions that call for it.
SIGNS = {
    "names nbgrader or its gradebook": (r"gradebook", r"nbgrader"),
    # What `given` may bring, the unit decides.
    "names reference_impl, which is not there while a class is graded": (
        r"(?<!\bgiven\([\"'])reference_impl",
    ),
    "touches how answers reach the judge": (
        r"COURSE_EVIDENCE",
        r"\.course\b",
        r"grading\.(kernel|sandbox|judge|units)\b",
        r"\bcheck\s*=[^=]",
        r"\bdef check\(",
    ),
    "changes how cells are run": (
        r"get_ipython\(\)\.\w",
        r"\bdisplayhook\b",
        r"\b(set_custom_exc|ast_transformers|do_execute)\b",
    ),
    "looks into the process that it runs in": (
        r"\bsys\.modules\b",
        r"\b(_getframe|settrace|setprofile)\b",
        r"\bgc\.get_\w+\(",
    ),
    "defines how its values compare or are copied": (
        r"__(eq|ne|reduce|reduce_ex|torch_function|array)__",
    ),
    "replaces functions of PyTorch or NumPy": (
        r"^[ \t]*(torch(\.Tensor|\.nn\.functional)?|(np|numpy)(\.testing)?|F)\.\w+\s*=[^=]",
        r"\bsetattr\(\s*(torch|np|numpy|F)\b",
    ),
    "reaches below PyTorch's public functions": (r"\btorch\._\w+", r"\btorch\.ops\."),
    "calls the machine below Python": (r"\bctypes\b", r"\bcffi\b"),
    "looks at the machine's own files": (r"/proc\b", r"/etc/", r"/root\b", r"/home\b"),
    "starts, ends or unchains processes": (
        r"\bos\.(fork|forkpty|kill|killpg|setsid|_exit|abort|closerange)\b",
        r"\bstart_new_session\b",
        r"\bsetrlimit\b",
    ),
    "tries to reach the network": (
        r"^[ \t]*(import|from)\s+(socket|urllib|requests|http|httpx|aiohttp)\b",
        r"\b(curl|wget)\s",
    ),
    "installs packages": (r"\bpip\b.{0,20}\binstall\b",),
    "searches files": (r"\bos\.walk\(", r"\br?glob\(", r"\.ipynb\b"),
}
_COMPILED = {
    words: re.compile("|".join(f"(?:{sign})" for sign in signs), re.MULTILINE)
    for words, signs in SIGNS.items()
}


def remarks(notebook: NotebookNode, unit: Unit) -> list[str]:
    """One sentence for each sign in the learner's code, with the number of the first such cell."""
    found: dict[str, int] = {}
    for number, cell in enumerate(notebook.cells, start=1):
        if not _is_learners(cell):
            continue
        for words, pattern in (_COMPILED | _forbidden(unit, _answered(cell))).items():
            if words not in found and pattern.search(cell.source[:LONGEST]):
                found[words] = number
    return [f"To look at: the code {words} (cell {number})." for words, number in found.items()]


def _answered(cell: NotebookNode) -> str:
    """The id of the answer cell that this is; "" for a cell of the learner's own."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


@cache
def _forbidden(unit: Unit, answer_id: str) -> dict[str, re.Pattern]:
    """The functions to do without in an answer's cell, or anywhere else in those of all exercises.

    The judge sees them called, but not everything that a learner can do to hide it.
    """
    own = [exercise for exercise in unit.exercises if exercise.answer_id == answer_id]
    names = {
        [part for part in name.split(".") if not part.startswith("__")][-1]
        for exercise in own or unit.exercises
        for name in exercise.forbids
    }
    if not names:
        return {}
    either = "|".join(map(re.escape, sorted(names)))
    sign = rf"\.[ \t]*({either})\b|\bimport\b.*\b({either})\b|[\"']({either})[\"']"
    return {"names a function that an exercise is to be written without": re.compile(sign)}


def _is_learners(cell: NotebookNode) -> bool:
    released = cell.metadata.get("nbgrader", {}).get("grade")
    return cell.cell_type == "code" and not released and "demo" not in cell.metadata.get("tags", [])
