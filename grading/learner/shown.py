"""A verdict as the learner sees it: where to read on, and how far they are by now."""

import html
from collections.abc import Sequence
from dataclasses import replace

from grading.judging.verdict import Verdict, inline
from grading.learner import links


def as_html(verdict: Verdict, progress: Sequence[str]) -> str:
    """The verdict's box with a link that a frontend opens in a new tab, and the progress below."""
    if not verdict.link:
        return verdict.html("") + _below(progress)
    where, book = html.escape(links.words(verdict.link)), links.chapters()
    if book:
        address = html.escape(book + verdict.link)
        where = f'<a href="{address}" target="_blank" rel="noopener">{where}</a>'
    box = replace(verdict, link=None).html("")
    return f"{box.removesuffix('</div>')}<p>Read about it: {where}</p></div>{_below(progress)}"


def as_text(verdict: Verdict, progress: Sequence[str] = ()) -> str:
    """The same for terminals and screen readers."""
    lines = [verdict.text()]
    if verdict.link:
        lines.append(f"Read about it: {links.words(verdict.link)}")
    return "\n".join([*lines, *progress])


def _below(progress: Sequence[str]) -> str:
    lines = "<br>".join(inline(line) for line in progress)
    return f'<p style="margin-left: 1.2em; opacity: 0.8">{lines}</p>' if lines else ""
