"""Readers for five public sources of fine-tuning data, and small files in their formats.

Each reader takes the path of the public file, plain or gzipped, and yields `Dialogue`s:

    source = Dolly("databricks-dolly-15k.jsonl", on_error="skip")
    dialogues = list(source)
    print(len(source.skipped), "rows left out", *source.skipped, sep="\\n")

The files in `SAMPLES` were written for this course and hold no row of the public ones.
"""

from pathlib import Path

from reference_impl.fine_tuning.sft_sources.dolly import Dolly
from reference_impl.fine_tuning.sft_sources.files import SourceError
from reference_impl.fine_tuning.sft_sources.flan import FlanCoT, read_templates
from reference_impl.fine_tuning.sft_sources.hh_rlhf import HHRLHF
from reference_impl.fine_tuning.sft_sources.instructgpt import InstructGPTSamples
from reference_impl.fine_tuning.sft_sources.oasst import Oasst1
from reference_impl.fine_tuning.sft_sources.source import Dialogue, Problem, Source

__all__ = [
    "HHRLHF",
    "SAMPLES",
    "Dialogue",
    "Dolly",
    "FlanCoT",
    "InstructGPTSamples",
    "Oasst1",
    "Problem",
    "Source",
    "SourceError",
    "read_templates",
]

SAMPLES = Path(__file__).with_name("samples")
