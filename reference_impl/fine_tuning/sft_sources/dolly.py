"""databricks-dolly-15k: instructions that Databricks' employees wrote and answered.

Dolly 2.0 is the model, databricks-dolly-15k the data it was tuned on. 15,011 rows in 8 categories,
CC BY-SA 3.0. The public file is `databricks-dolly-15k.jsonl`.
"""

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.source import (
    Source,
    field,
    json_object,
    question_and_answer,
)


class Dolly(Source):
    """`{"instruction": ..., "context": ..., "response": ..., "category": ...}`, one a line.

    A context, a passage that the instruction is about, follows it after an empty line.
    """

    name = "databricks-dolly-15k"

    def messages(self, line: int, row: str) -> list[Message]:
        record = json_object(row)
        parts = [field(record, "instruction", str), field(record, "context", str)]
        field(record, "category", str)
        question = "\n\n".join(part for part in parts if part.strip())
        return question_and_answer(question, field(record, "response", str))
