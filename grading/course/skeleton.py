"""`course new unit/name`: the skeleton of an exercise, ready to be filled."""

from pathlib import Path

from grading.course.errors import CourseError
from grading.course.unit import Unit, load_unit

SPECIFICATION = '''"""{id}: what a learner writes here, in one line."""

import numpy as np

from grading.course.exercise import Case, Exercise, Misconception

AXES = "seq d_model"


def cases(rng: np.random.Generator) -> list[Case]:
    """What the cases vary, one thing at a time; every axis has a size of its own."""
    x = rng.normal(size=(5, 7)).astype(np.float32)
    return [
        Case("five positions", {{"x": x}}, axes=AXES),
        Case("a single position", {{"x": x[:1]}}, axes=AXES),
    ]


# --- right in other ways --------------------------------------------------------------------------


def in_a_loop(x):
    """The same, row by row."""
    raise NotImplementedError


# --- wrong in known ways --------------------------------------------------------------------------

MISCONCEPTIONS = (
    Misconception(
        "name-of-it",
        "What is wrong, and where to look; never the line to write.",
        "{label}",
        {{"find": "replace"}},
    ),
)

EXERCISE = Exercise(
    id="{id}",
    callable="{name}",
    title="{title}",
    parts={{"all": 1}},
    minutes=10,
    difficulty="easy",
    link="{label}",
    cases=cases,
    misconceptions=MISCONCEPTIONS,
    alternatives=(in_a_loop,),
)
'''

CELLS = '''
# %% [markdown]
# ## {title}
#
# {{{{{id}}}}}
#
# What it is for, and every rule that the judge has.
#
# <details><summary>Hint</summary>
#
# Where to look.
#
# </details>


# %% exercise="{id}"
def {name}(x: Float[Tensor, "seq d_model"]) -> Float[Tensor, "seq d_model"]:
    """What it returns, with shapes and errors.

    >>> {name}(torch.tensor([[1.0, 2.0]]))
    tensor([[1., 2.]])
    """
    return x


# %% tags=["demo"]
with demonstration():
    print({name}(torch.ones(2, 3)))
'''


def new_exercise(exercise_id: str) -> list[Path]:
    """Write the specification of a new exercise and its cells at the end of the unit's text.

    Nothing that is there already is changed. Returns the files; raises CourseError for a name that
    is taken, or that is none.
    """
    unit_name, _, name = exercise_id.partition("/")
    if not name.isidentifier() or name != name.lower():
        raise CourseError(f"{exercise_id!r}: `unit/name` in small letters, digits and _.")
    unit = load_unit(unit_name)
    specification = unit.folder / f"{name}.py"
    if specification.exists() or f"{unit.name}/{name}" in unit.by_id:
        raise CourseError(f"{unit.name}/{name} is there already: {specification}")
    words = _words(unit, name)
    specification.write_text(SPECIFICATION.format(**words), encoding="utf-8")
    with open(unit.source, "a", encoding="utf-8") as file:
        file.write(CELLS.format(**words))
    return [specification, unit.source]


def _words(unit: Unit, name: str) -> dict[str, str]:
    words = name.replace("_", " ")
    label = f"{unit.name}-{name}".replace("_", "-")
    title = words[0].upper() + words[1:]
    return {"id": f"{unit.name}/{name}", "name": name, "title": title, "label": label}
