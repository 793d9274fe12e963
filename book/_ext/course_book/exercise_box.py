"""The directive `{exercise}`: a box whose facts come from the exercise itself."""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_directive("exercise", ExerciseBox)


class ExerciseBox(SphinxDirective):
    """One box for one or more exercises of a unit; the body is the hint."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The box as MyST, set by MyST."""
        from grading.course.errors import CourseError
        from grading.course.unit import load_exercise, load_unit

        ids = [part.strip() for part in self.arguments[0].split(",")]
        try:
            exercises = [load_exercise(name) for name in ids]
            slug = load_unit(exercises[0].unit).slug
        except CourseError as error:
            logger.warning("%s", error, location=self.get_location(), type="course")
            return []
        return self._parse(_box(exercises, f"/exercises/{slug}/{slug}", list(self.content)))

    def _parse(self, lines: list[str]) -> list[nodes.Node]:
        box = nodes.Element()
        source, line = self.get_source_info()
        self.state.nested_parse(StringList(lines, source), line, box)
        return box.children


def _box(exercises: list, notebook: str, hint: list[str]) -> list[str]:
    many = len(exercises) > 1
    lines = [f"::::{{admonition}} Exercise{'s' * many}", ":class: exercise", ""]
    for exercise in exercises:
        points = f"{exercise.points:g} point{'s' * (exercise.points != 1)}"
        facts = f"{exercise.minutes}\N{NO-BREAK SPACE}minutes · {exercise.difficulty} · {points}"
        lines += [f"- **{exercise.title}** ({facts})"]
    lines += ["", f"{{doc}}`Open the notebook <{notebook}>` ·"]
    lines += [f"{{download}}`download it <{notebook}.ipynb>`", ""]
    if hint:
        lines += [":::{dropdown} Hint", *hint, ":::"]
    return [*lines, "::::"]
