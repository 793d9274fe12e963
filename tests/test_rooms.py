"""Rooms: nothing points upwards, and a unit's room imports earlier units' rooms only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the ground up; rooms of one line may not know each other. A room imports lower ones only.
REFERENCE = [
    ["neural_networks"],
    ["text_before_transformers"],
    ["convolutions"],
    ["embeddings_and_positions"],
    ["decoder"],
    ["tokenization"],
    ["published"],
    ["inference"],
    ["pretraining"],
    ["scaling_laws"],
    ["fine_tuning"],
    ["capstone"],
    ["figures"],
]
GRADING = [
    ["kernel"],
    ["course"],
    ["judging", "sandbox", "units"],
    ["notebooks"],
    ["learner", "classrun"],
    ["nbgrader_plug"],
]
# A unit's exercises say how they are judged; units are found by name, in the folder of all units.
ALLOWED = {("units", "judging"), ("course", "units")}


def rooms(package):
    return sorted(p.name for p in (ROOT / package).iterdir() if (p / "__init__.py").exists())


def modules_of(node):
    """The modules that a statement imports, `from package import room` too."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def arrows(package):
    """Pairs of rooms, importing and imported, with the file that does it."""
    found = {}
    for room in rooms(package):
        for path in (ROOT / package / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for module in modules_of(node):
                    parts = module.split(".")
                    if parts[0] == package and len(parts) > 1 and parts[1] in rooms(package):
                        if parts[1] != room:
                            found[room, parts[1]] = path.relative_to(ROOT)
    return found


def floor(order, room):
    return next(i for i, names in enumerate(order) if room in names)


@pytest.mark.parametrize(
    ("package", "order"), [("reference_impl", REFERENCE), ("grading", GRADING)]
)
def test_nothing_points_upwards(package, order):
    assert rooms(package) == sorted(name for names in order for name in names)
    wrong = {
        f"{path}: {one} imports {other}"
        for (one, other), path in arrows(package).items()
        if floor(order, other) >= floor(order, one) and (one, other) not in ALLOWED
    }
    assert wrong == set()


def test_the_reference_knows_nothing_of_grading():
    for path in (ROOT / "reference_impl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not [m for m in modules_of(node) if m.split(".")[0] == "grading"], path


def test_what_enters_a_learners_process_imports_no_judge():
    files = [*(ROOT / "grading" / "kernel").glob("*.py")]
    files += [*(ROOT / "grading" / "units").glob("*/drive.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for module in modules_of(node):
                if module.startswith("grading."):
                    assert module.split(".")[1] == "kernel" or module == "grading.given", path
