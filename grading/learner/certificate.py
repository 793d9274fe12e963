"""The certificate: one page of HTML that needs nothing else, to print or to send."""

import html
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from grading.course.errors import CourseError
from grading.learner import own_model
from grading.learner.record import Summary, summary
from grading.learner.sealed import sealed, write_sealed
from grading.learner.talk import OwnConversation

FILE = "certificate.html"
ASKED = "Hello! Who are you?"
N_WORDS = 40  # tokens of the first words
STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5a6372; --line: #c9cfd8; --page: #fff;
  --mine: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf0; --soft: #a9b2c0; --line: #444c59;
  --page: #16191f; --mine: #6fd3ad; } }
@media print { :root { --ink: #000; --soft: #444; --line: #999; --page: #fff; --mine: #0b6e4f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 17px/1.5 Georgia, "Times New Roman", serif; }
main { max-width: 46rem; margin: 1.5rem auto; padding: 1.5rem; border: 3px double var(--line); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; } .soft { color: var(--soft); }
ul { margin: .3rem 0; padding: 0; list-style: none; columns: 2 15rem; }
li { break-inside: avoid; overflow-wrap: anywhere; }
.mine { color: var(--mine); font-weight: bold; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .1rem .5rem; }
td + td, th + th { text-align: right; white-space: nowrap; }
blockquote { margin: .4rem 0; padding-left: 1rem; border-left: 3px solid var(--line);
  white-space: pre-wrap; overflow-wrap: anywhere; }
section { break-inside: avoid; }
@media print { main { border: none; margin: 0; padding: 0; } body { font-size: 11pt; } }
"""


def write_certificate(place: Path, name: str | None = None) -> str:
    """Write the page into the learner's folder; what to tell them. A page that a person changed
    stays. Raises CourseError where their model does not speak."""
    written = own_model.write_model(place)
    words = first_words(written.path)
    text = page(summary(cwd=place), words, name, date.today(), written.changed)
    path = place / FILE
    if not write_sealed(path, text):
        return f"{path} was changed by hand, so it stays. For a new one move it away."
    return f"Your certificate: {path}  (open it in a browser; it prints on a page or two)"


def first_words(path: Path) -> str:
    """What the learner's model answers, the likeliest token each time."""
    try:
        model = own_model.load_module(path)[own_model.LOAD]()
        return "".join(OwnConversation(model).reply(ASKED, None, N_WORDS)).strip()
    except (OSError, ValueError) as error:
        raise CourseError(str(error)) from None


def page(whole: Summary, words: str, name: str | None, day: date, changed: bool = False) -> str:
    """The page as text, with its seal."""
    title = "Modern Language Model Internals"
    who = f"<p><strong>{html.escape(name)}</strong></p>" if name else ""
    body = "\n".join([*_parts(whole), *_points(whole), *_misconceptions(whole)])
    own, n = whole.own_parts, len(whole.parts)
    run_by = f"{own_model.FILE}, which was changed by hand" if changed else "these parts"
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: certificate</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<p class="soft">{title}</p>
<h1>A language model with {own} of {n} parts written by hand</h1>
{who}
<p class="soft">{day.day} {day:%B %Y}</p>
<section>
<h2>Its first words</h2>
<p class="soft">{html.escape(ASKED)}</p>
<blockquote>{html.escape(words) or "(it said nothing)"}</blockquote>
<p class="soft">SmolLM2-135M-Instruct, weights of 4 bits, run by {run_by}.</p>
</section>
{body}
<p class="soft">Made on the learner's own computer from what the checks noted there. Nobody watched:
it is a record, not an examination.</p>
</main>
</body>
</html>
"""
    return sealed(text, "certificate", html=True)


def _parts(whole: Summary) -> Iterator[str]:
    yield "<section><h2>The parts of the model</h2><ul>"
    for part, own in whole.parts:
        whose = (
            '<span class="mine">own</span>' if own else '<span class="soft">the course\'s</span>'
        )
        yield f"<li>{html.escape(part.title)}: {whose}</li>"
    yield "</ul></section>"


def _points(whole: Summary) -> Iterator[str]:
    begun = [unit for unit in whole.units if unit.points]
    if not begun:
        return
    yield "<section><h2>Points</h2><table>"
    yield "<thead><tr><th>Unit</th><th>Points</th></tr></thead><tbody>"
    for unit in begun:
        yield f"<tr><td>{html.escape(unit.title)}</td>"
        yield f"<td>{unit.points:g} of {unit.max_points:g}</td></tr>"
    yield "</tbody></table></section>"


def _misconceptions(whole: Summary) -> Iterator[str]:
    """Those that were met: overcome first, then those that are still open."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for unit in whole.units:
        for exercise in unit.exercises:
            for name, overcome in (exercise.noted.misconceptions if exercise.noted else {}).items():
                words = html.escape(f"{name.replace('-', ' ')} ({exercise.title})")
                found[overcome].append(f"<li>{words}</li>")
    for overcome, title in ((True, "Misconceptions met and overcome"), (False, "Met, still open")):
        if items := found[overcome]:
            yield f"<section><h2>{title}: {len(items)}</h2><ul>"
            yield from items
            yield "</ul></section>"
