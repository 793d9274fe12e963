"""Links to a label of another page, as exercise notebooks write them: `chapter.md#label`.

MyST knows the headings of a page by their slugs alone; a label in front of a heading is as good a
target, and stays when the heading's words change.
"""

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("env-updated", _add_labels)


def _add_labels(app: Sphinx, env: BuildEnvironment) -> None:
    standard = env.get_domain("std")
    for name, (page, target) in standard.anonlabels.items():
        if page in env.all_docs and target:
            title = standard.labels.get(name, ("", "", name))[2]
            slugs = env.metadata[page].setdefault("myst_slugs", {})
            slugs.setdefault(name, (0, target, title))
