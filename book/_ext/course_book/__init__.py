"""The book's own Sphinx extension: one module a concern, this one says how authors use it.

Figure, from a cell: matplotlib's defaults lie in `matplotlibrc` beside this file and hold without
an import (transparent SVG, colours C0 to C5 that can be read on light and dark pages). The page
turns the lightness of SVG figures round in the dark, so draw for a white page and speak of
"strong", not of "dark". The alternative text says what a reader who does not see it would miss;
the build fails without it:

    ```{code-cell} ipython3
    ---
    tags: [hide-input]
    mystnb:
      image:
        alt: >-
          Line chart of the loss against steps: steep at first, then flat near 1.9.
    ---
    figure, axes = plt.subplots()
    ```

Figure, from a file: `![What it shows](_static/picture.svg)`, or `{figure}` with `:alt:`. An SVG
that shall keep its colours on a dark page gets the class `as-it-is`.

Exercise box (title, minutes, difficulty, points and links come from the exercise itself; the body
is a hint that unfolds; several exercises are separated by commas):

    :::{exercise} attention/causal_mask, attention/padding_mask
    Compare positions: a column of query positions against a row of key positions.
    :::

A chapter begins with its head box, and marks its second reading by these words in a heading
(core_path.py counts the rest). A common belief, met where it arises; a prediction and its answer
(`dropdown` is a native <details>):

    :::{admonition} This chapter
    :class: head-box
    - **You will** ...
    - **You need** ...
    - **Your model gets** ...
    - **Time**: ...
    :::

    :::{admonition} A common belief: masks are for training only
    :class: note
    A single new token after a cache needs none. A prompt does.
    :::

    :::{admonition} Predict before you read on
    :class: tip
    Which of the two is larger?
    :::

    :::{dropdown} Answer
    The first.
    :::

Citation: ``{cite}`vaswani2017` `` with the entry in book/references.bib. Section of another
page: give it a label `(attention-scale)=` and write `[text](#attention-scale)`.
Maths: `$...$` and `$$...$$`; KaTeX sets it during the build, and an error in it fails the build.
"""

from sphinx.application import Sphinx

from course_book import (
    alternative_text,
    core_path,
    execution,
    exercise_box,
    figures_on_demand,
    glued,
    labels,
    maths,
    numbering,
    outline,
    pages,
    references,
    slimming,
    sources,
    tables,
)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect every part."""
    parts = (alternative_text, core_path, execution, exercise_box, labels, maths, pages)
    parts += (figures_on_demand, glued, numbering, outline, references, slimming, sources, tables)
    for part in parts:
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
