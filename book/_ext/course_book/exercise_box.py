"""The directive `{exercise}`: a box whose facts come from the exercise itself."""

from urllib.parse import quote

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_directive("exercise", ExerciseBox)
    app.add_config_value("course_repository", "", "env")
    app.add_config_value("course_branch", "main", "env")
    app.add_config_value("course_book", "", "env")  # read by `check`, too: it links there


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
        ways = _ways(slug, self.config.course_repository, self.config.course_branch)
        return self._parse(_box(exercises, slug, ways, list(self.content)))

    def _parse(self, lines: list[str]) -> list[nodes.Node]:
        box = nodes.Element()
        source, line = self.get_source_info()
        self.state.nested_parse(StringList(lines, source), line, box)
        return box.children


def _box(exercises: list, slug: str, ways: list[str], hint: list[str]) -> list[str]:
    many = len(exercises) > 1
    lines = [f"::::{{admonition}} Exercise{'s' * many}", ":class: exercise", ""]
    for exercise in exercises:
        points = f"{exercise.points:g} point{'s' * (exercise.points != 1)}"
        facts = f"{exercise.minutes}\N{NO-BREAK SPACE}minutes · {exercise.difficulty} · {points}"
        lines += [f"- **{exercise.title}** ({facts})"]
    lines += ["", f"To work on {'them' if many else 'it'}: `course start {slug}`", ""]
    lines += [" · ".join(ways), ""]
    if hint:
        lines += [":::{dropdown} Hint", *hint, ":::"]
    return [*lines, "::::"]


def _ways(slug: str, repository: str, branch: str) -> list[str]:
    """Other ways to the notebook, as MyST; on the web only where the course has an address there.

    Colab and Binder read repositories of GitHub.
    """
    path = f"exercises/{slug}/{slug}"
    ways = ["{doc}`how that works </book/learners>`", f"{{doc}}`read the notebook </{path}>`"]
    ways += [f"{{download}}`download it </{path}.ipynb>`"]
    host, _, name = repository.rstrip("/").removesuffix(".git").partition("github.com/")
    if host and name:
        colab = f"https://colab.research.google.com/github/{name}/blob/{branch}/{path}.ipynb"
        file = quote(f"{path}.ipynb", safe="")
        binder = f"https://mybinder.org/v2/gh/{name}/{quote(branch, safe='')}?labpath={file}"
        ways += [f"[Colab]({colab})", f"[Binder]({binder})"]
    return ways
