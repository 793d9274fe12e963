"""What runs in the learner's process: it calls the answer and writes down what came back.

Nothing here knows what is right. This room and the units' `drive.py` are all of grading that a
graded notebook needs, so they import nothing else of it.
"""

from grading.kernel.calls import one_thread, record, run
from grading.kernel.files import dumps, load, loads, save, stem
from grading.kernel.values import MAX_ARRAY_BYTES, RandomState, decode, encode
from grading.kernel.watch import cover

__all__ = [
    "MAX_ARRAY_BYTES",
    "RandomState",
    "cover",
    "decode",
    "dumps",
    "encode",
    "load",
    "loads",
    "one_thread",
    "record",
    "run",
    "save",
    "stem",
]
