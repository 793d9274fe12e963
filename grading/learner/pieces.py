"""The learner's own pieces of earlier units, for the units that build on them."""

from typing import Any

from grading.course.errors import CourseError
from grading.course.sources import compile_answer
from grading.course.unit import load_exercise, load_unit
from grading.learner import record


def own_piece(piece: str) -> Any:
    """The learner's own right answer to an exercise, as an object; None where there is none.

    It calls the learner's own other answers of its unit, and the course's where those are missing.
    Which of the two a notebook goes on with is said in one line.
    """
    if ":" in piece or record.folder() is None:
        return None
    try:
        exercise = load_exercise(piece)
    except CourseError:  # whoever asks for the course's piece is told
        return None
    own = {e.id: text for e in load_unit(exercise.unit).exercises if (text := record.piece(e.id))}
    if piece not in own:
        print(f"{exercise.callable}: the course's. Yours will stand here once it is right.")
        return None
    try:
        made = compile_answer(exercise, own)
    except Exception as error:  # it needs something of its notebook that was not in its cell
        why = f"{type(error).__name__}: {error}"
        print(
            f"{exercise.callable}: the course's. Yours does not run outside its notebook ({why})."
        )
        return None
    print(f"{exercise.callable}: yours")
    return made
