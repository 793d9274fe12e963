"""One submission's cells, run one after the other in the process that is its own.

The job holds the inputs for the checks (`R`) and the cells (`C`). Back come, for each cell, that it
begins (`S`), answers to checks (`E`) and what it showed (`D`); at the very end `X`. Whoever reads
that believes none of it further than arrays and plain values can be believed.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from grading import kernel
from grading.sandbox.inside import frames
from grading.sandbox.inside.shell import Shell


def run_job(
    shell: Shell,
    job: int,
    reply: int,
    limits: dict,
    folder: str,
    allow_seconds: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Run the job that the descriptor `job` holds; write to `reply`.

    `allow_seconds` is called before each cell with the CPU that it may use.
    """
    box = Path(folder) / ".course"
    requests, cells = _read_job(job)
    _lay_out(requests, box)
    _cover(requests)
    told = {"HOME": folder, "TMPDIR": folder, "COURSE_EVIDENCE": str(box)}
    sys.path.insert(0, folder)  # as in Jupyter: a notebook may write a module and import it
    random.seed(0), np.random.seed(0)  # grading again gives the same, as torch does by itself
    process = os.getpid()
    shell.outputs.max_bytes = limits["output_kb"] * 1024
    for cell in cells:
        # Anew, so that the next cell does not suffer from what one has deleted or changed.
        os.environ |= told
        _lay_out(
            {name: requests[name] for name in requests if Path(name).stem == cell["check"]}, box
        )
        frames.write(reply, b"S", {"cell": cell["index"]})
        allow_seconds(cell["seconds"])
        outputs, spent = shell.run(cell["source"])
        if os.getpid() != process:  # a cell has forked: its copy of us has nothing to say
            os._exit(0)
        _send_evidence(box / "evidence", reply)
        done = {"cell": cell["index"], "outputs": outputs, "seconds": spent}
        frames.write(reply, b"D", _plain(done))
    frames.write(reply, b"X")


def _read_job(descriptor: int) -> tuple[dict[str, bytes], list[dict]]:
    """The inputs of the checks, as files by name, and the cells."""
    requests, cells = {}, []
    with os.fdopen(descriptor, "rb") as file:
        for kind, header, body in frames.Reader(2**31).feed(file.read()):
            if kind == b"R":
                requests[header["file"]] = body
            else:
                cells = json.loads(body)
    return requests, cells


def _lay_out(requests: dict[str, bytes], box: Path) -> None:
    for name in ("requests", "evidence"):
        (box / name).mkdir(parents=True, exist_ok=True)
    for name, body in requests.items():
        (box / "requests" / name).write_bytes(body)


def _cover(requests: dict[str, bytes]) -> None:
    """Have calls of what some exercise forbids noted before a cell can put the function away."""
    for name, body in requests.items():
        if name.endswith(".json"):
            kernel.cover(json.loads(body)["forbids"])


def _send_evidence(folder: Path, reply: int) -> None:
    """Send what checks have written since the last cell, and delete it."""
    for path in sorted(folder.glob("*.json")):
        arrays = path.with_suffix(".npz")
        if arrays.is_file():
            said = {"name": path.stem, "json": path.read_text(encoding="utf-8")}
            frames.write(reply, b"E", said, arrays.read_bytes())
            arrays.unlink()
        path.unlink()


def _plain(tree: dict) -> dict:
    """What JSON can say of it: an object may display itself as anything at all."""
    return json.loads(json.dumps(tree, default=repr, skipkeys=True))
