"""nbgrader's configuration: this course's folders, and the judge in the place of cell outputs."""

from grading.nbgrader_plug.plug import configure

configure(get_config())  # noqa: F821  (nbgrader defines get_config)
