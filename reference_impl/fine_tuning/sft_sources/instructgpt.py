"""InstructGPT's public samples: what models said on public benchmarks (Ouyang et al. 2022).

The demonstrations it was tuned on, about 13,000 prompts, were never published. These samples show
the replies of models before and after tuning: read them for what tuning changes. The public files
are `automatic-eval-samples/*_samples.csv`.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from reference_impl.fine_tuning.chat import Message
from reference_impl.fine_tuning.sft_sources.files import SourceError, not_utf8, numbered_lines
from reference_impl.fine_tuning.sft_sources.source import BadRow, Source, question_and_answer

# What is asked and what is said have other names from benchmark to benchmark.
COLUMN_PAIRS = (("question", "answer"), ("context", "sample"))


class InstructGPTSamples(Source):
    """Comma-separated with a header: model_type, and question and answer, or context and sample.

    `model_type` keeps one model's replies: "gpt-175b" is not tuned, "sft-175b" is fine-tuned on
    demonstrations, "ppo-ptx-175b" is trained further on preferences. Raises SourceError where the
    file has none of it.
    """

    name = "instructgpt-samples"

    def __init__(
        self, path: str | PathLike, on_error: str = "refuse", model_type: str | None = None
    ) -> None:
        super().__init__(path, on_error)
        self.model_type = model_type

    def rows(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """What is asked and what is said, for each record of the wanted model."""
        records = self.records()
        _, header = next(records, (1, []))
        asked, said = self.columns(header)
        found, models = False, set()
        for line, cells in records:
            found = True
            record = dict(zip(header, cells, strict=False))
            if problem := wrong_cells(cells, header):
                self.report(line, BadRow(problem))
            else:
                models.add(record["model_type"])
                if self.model_type in (None, record["model_type"]):
                    yield line, (record[asked], record[said])
        if not found:
            raise SourceError(f"{self.path} has no rows, only a header: download it again")
        if self.model_type is not None and self.model_type not in models:
            raise SourceError(
                f"{self.path} has no reply of model_type {self.model_type!r}: take one of "
                f"{', '.join(sorted(models)) or 'another file'}"
            )

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The cells of each record, and the line where it begins: it may fill several."""
        reader = csv.reader((text for _, text in numbered_lines(self.path)), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                with any_length():
                    cells = next(reader)
                if cells:
                    yield line, cells
            except StopIteration:
                return
            except csv.Error as error:
                self.report(line, BadRow(f"{error}: close every quote, and double those inside"))

    def columns(self, header: list[str]) -> tuple[str, str]:
        """The names of the two columns that are read."""
        for pair in COLUMN_PAIRS:
            if {"model_type", *pair} <= set(header):
                twice = [name for name in ("model_type", *pair) if header.count(name) > 1]
                if twice:
                    raise SourceError(
                        f"{self.path}, line 1: there are several columns {twice[0]!r}: name apart "
                        "or remove the one that is not meant"
                    )
                return pair
        raise SourceError(
            f"{self.path}, line 1: the columns {', '.join(filter(None, header))} are not those of "
            "InstructGPT's samples (model_type, and question and answer or context and sample): "
            "put the header back, or take the reader made for this file"
        )

    def messages(self, line: int, row: tuple[str, str]) -> list[Message]:
        return question_and_answer(*row)


@contextmanager
def any_length() -> Iterator[None]:
    """Let a cell be longer than the 131,072 characters at which the csv module stops by itself."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def wrong_cells(cells: list[str], header: list[str]) -> str | None:
    """What is wrong with a record as a whole, else None."""
    if len(cells) != len(header):
        return (
            f"there are {len(cells)} cells under {len(header)} columns: quote a cell that holds "
            "a comma, a quote or a line break"
        )
    return not_utf8("".join(cells))
