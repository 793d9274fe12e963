"""What happens when a notebook is opened and its first cell runs."""

import os
import sys
import threading

from grading.learner import links, record


def open_notebook(slug: str) -> None:
    """Get the first check ready, and say how far the learner is.

    Here is where PyTorch and the judge are imported, which takes a second or two: the first check
    is then as quick as all others.
    """
    one_thread()
    # The links in the notebook's text lead there. Nobody waits for it.
    threading.Thread(target=links.chapters, daemon=True).start()
    print("Getting the first check ready ...", flush=True)
    import grading.home  # noqa: F401
    from grading.course.sources import solution_of
    from grading.course.unit import load_unit
    from grading.learner import progress

    solution_of(load_unit(slug).exercises[0])  # imports what the unit's own answers import
    for line in progress.so_far_lines(slug) if record.folder() else ():
        print(line)


def one_thread() -> None:
    """The tensors of most cells are tiny: a second thread costs more than it does, and on a busy
    machine a hundred times as much. A cell that wants more asks for them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for a torch that is not imported yet
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
