"""Text of a learner's that can run nothing in the browser of whoever grades."""

import re

# HTML and entities, links of every kind, and what MathJax has to make links, styles and macros.
ACTIVE = re.compile(
    r"<[A-Za-z/!?]|&[#\w]|\][(:\[]"
    r"|\\(href|url|require|style|class|cssId|data|mmlToken|unicode|def|edef|gdef|xdef|let|futurelet"
    r"|newcommand|renewcommand|providecommand|newenvironment|renewenvironment|csname"
    r"|DeclareMathOperator|DeclarePairedDelimiter|Newextarrow|includegraphics|texttip|toggle"
    r"|mathtip|tooltip|bbox|html\w*)(?![A-Za-z])"
)


MARKUP = re.compile(r"\[[^\[\]\n]*\]\([^()\s]*\)|</?[a-z]+>")  # a whole link, a tag


def harmless(text: str, verbatim: bool = False, ours: str = "") -> str:
    """Markdown as it is if all it can do is to look good; anything else as a block of its source.

    Links and HTML that `ours`, the text of the release, has too may stay: the text may be that of
    an earlier release. Formgrader and feedback pages turn Markdown into HTML with whatever HTML,
    script or link it holds, in the browser of the instructor.
    """
    lines = text.split("\n")
    shown = len(lines) > 2 and re.fullmatch("~{3,}", lines[0]) and lines[-1] == lines[0]
    if shown and not any(lines[0] in line for line in lines[1:-1]):
        return text  # it is such a block already
    theirs = text
    for markup in set(MARKUP.findall(ours)):
        theirs = theirs.replace(markup, "")  # with nothing between, what is around it shows
    if not verbatim and not ACTIVE.search(theirs):
        return text
    longest = max([2, *map(len, re.findall("~+", text))])
    fence = "~" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
