"""What happens when a notebook is opened and its first cell runs."""

import os
import sys
import threading


def open_notebook(slug: str) -> None:
    """Get the first check ready behind the reader's back, and say how far they have come."""
    one_thread()
    threading.Thread(target=_warm_up, args=[slug], daemon=True).start()


def one_thread() -> None:
    """The tensors of most cells are tiny: a second thread costs more than it does, and on a busy
    machine a hundred times as much. A cell that wants more asks for them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for a torch that is not imported yet
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _warm_up(slug: str) -> None:
    """Import what the judge needs; what is wrong there, `check` will say."""
    try:
        import grading.home  # noqa: F401
    except Exception:
        pass
