"""The FLAN Collection: many tasks, each phrased through several instruction templates.

FLAN 2021 has 62 data sets in 12 clusters with 10 templates each (Wei et al. 2022); the collection
of 2022 has 1,800 tasks (Longpre et al. 2023), Apache-2.0. Read here: its chain-of-thought part
(`flan/v2/cot_data/*.tsv`) and its templates (`flan/v2/templates.py`).
"""

import ast
import random
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from string import Formatter

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.files import SourceError
from reference_impl.fine_tuning.sft_sources.source import BadRow, Source, question_and_answer
from reference_impl.pretraining.data import mixed_seed

Template = tuple[str, str]  # what is asked and what is answered, both with {placeholders}
COLUMNS = ("question", "answer", "rationale")
# The templates call the rationale by two names.
PLACEHOLDERS = ("question", "answer", "chain_of_thought", "cot")
PLAIN: tuple[Template, ...] = (("{question}", "{chain_of_thought}\nThe answer is {answer}."),)


class FlanCoT(Source):
    r"""Lines of question, answer and rationale with tabs between. No quotes, no header.

    A line break inside a cell is written as a backslash and an n, and becomes a line break again;
    no other backslash means anything.
    Each row is phrased through one of `templates`, drawn from `seed` and its line: the same in
    every pass, and another template for another seed.
    """

    name = "flan-cot"

    def __init__(
        self,
        path: str | PathLike,
        on_error: str = "refuse",
        templates: Sequence[Template] = PLAIN,
        seed: int = 0,
    ) -> None:
        super().__init__(path, on_error)
        self.templates, self.seed = list(templates), seed
        if not self.templates:
            raise ValueError("there are no templates: give at least one, or leave them out")
        for template in self.templates:
            check_template(template)

    def messages(self, line: int, row: str) -> list[Message]:
        cells = [cell.replace("\\n", "\n") for cell in row.split("\t")]
        if len(cells) != len(COLUMNS):
            raise BadRow(
                f"there are {len(cells)} columns instead of {len(COLUMNS)} ({', '.join(COLUMNS)}): "
                "put exactly one tab between them"
            )
        for name, cell in zip(COLUMNS, cells, strict=True):
            if not cell.strip():
                raise BadRow(f"the {name} is empty: fill it in")
        question, answer, rationale = cells
        values = dict(zip(PLACEHOLDERS, (question, answer, rationale, rationale), strict=True))
        asked, answered = random.Random(mixed_seed(self.seed, line)).choice(self.templates)
        return question_and_answer(asked.format_map(values), answered.format_map(values))


def check_template(template: Template) -> None:
    """Raise ValueError where a template has a placeholder that the rows cannot fill."""
    for text in template:
        for _, name, form, conversion in Formatter().parse(text):
            if name is not None and (name not in PLACEHOLDERS or form or conversion):
                raise ValueError(
                    f"template {text!r} asks for {{{name}}}, but a row fills only "
                    f"{', '.join(PLACEHOLDERS)}: take templates of a chain-of-thought task"
                )


def read_templates(path: str | PathLike, task: str) -> list[Template]:
    """The templates of one task from FLAN's `templates.py`, whose code is read but never run.

    Raises SourceError where there is no table of templates or no such task.
    """
    path = Path(path)
    try:
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        tables = [
            ast.literal_eval(statement.value)
            for statement in statements
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "PATTERNS"
        ]
        tasks = tables[0]
    except (SyntaxError, ValueError, IndexError) as error:
        raise SourceError(
            f"{path} has no readable table PATTERNS = {{task: [(asked, answered), ...]}} "
            f"({error}): take flan/v2/templates.py or flan/templates.py"
        ) from None
    if task not in tasks:
        raise SourceError(f"{path} has no task {task!r}; take one of {', '.join(sorted(tasks))}")
    return tasks[task]
