"""IPython without a terminal or a Jupyter server: runs cells, collects what they show."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from io import TextIOBase
from types import TracebackType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None

FRAMES = 20  # of a traceback that are shown at each of its ends
CUT = "\n[The rest of this cell's output is cut.]\n"


class Outputs:
    """What one cell shows, as Jupyter's notebook format has it, up to `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.clear()

    def clear(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.left, self.full = self.max_bytes, False

    def stream(self, name: str, text: str) -> None:
        """Printed text; what follows on the same stream is joined to it."""
        if not (kept := self._take(text)):
            return
        last = self.items[-1] if self.items else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"].append(kept)
        else:
            self.items.append({"output_type": "stream", "name": name, "text": [kept]})

    def rich(self, kind: str, data: dict, metadata: dict | None, count: int | None = None) -> None:
        """A displayed object, in every form it has."""
        if self._fits(sum(len(str(value)) for value in data.values())):
            item = {"output_type": kind, "data": data, "metadata": metadata or {}}
            self.items.append(item | ({"execution_count": count} if count is not None else {}))

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        """An error; never cut, but shortened."""
        lines = [line[:4000] for line in traceback[-60:]]
        item = {"output_type": "error", "ename": name, "evalue": value[:4000], "traceback": lines}
        self.items.append(item)

    def _take(self, text: str) -> str:
        if self.full:
            return ""
        kept = text[: self.left]
        self.left -= len(kept)
        if len(kept) < len(text):
            self.full = True
            return kept + CUT
        return kept

    def _fits(self, size: int) -> bool:
        if self.full or size > self.left:
            self.stream("stderr", "" if self.full else CUT)
            self.full = True
            return False
        self.left -= size
        return True


class Stream(TextIOBase):
    """`sys.stdout` or `sys.stderr` of the learner's code."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: Outputs) -> None:
        self.name, self._outputs = name, outputs

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.stream(self.name, text)
        return len(text)

    def writable(self) -> bool:
        return True


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, *, transient=None, update=False, **kwargs) -> None:
        self.shell.outputs.rich("display_data", data, metadata)

    def clear_output(self, wait=False) -> None:
        self.shell.outputs.clear()


class _Hook(DisplayHook):
    def start_displayhook(self) -> None:
        pass

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict, md_dict=None) -> None:
        count = self.shell.execution_count
        self.shell.outputs.rich("execute_result", format_dict, md_dict, count)

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """One IPython for one notebook; `run` gives back what a cell shows."""

    outputs: Outputs
    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Hook)

    def enable_gui(self, gui=None) -> None:
        """There are no windows; `%matplotlib inline` asks for none."""

    def _tee(self, channel: str) -> AbstractContextManager:
        """IPython would keep all that is printed a second time, however much it is."""
        return nullcontext()

    def _get_exc_info(self, exc_tuple=None):
        """IPython looks a source up once for each frame: for a thousand calls, 20 seconds."""
        etype, value, traceback = super()._get_exc_info(exc_tuple)
        _shorten(traceback)
        return etype, value, traceback

    def _showtraceback(self, etype, evalue, stb) -> None:
        self.outputs.error(getattr(etype, "__name__", str(etype)), str(evalue), stb)

    def run(self, source: str) -> tuple[list[dict[str, Any]], float]:
        """The outputs of a cell and its seconds of CPU, those of its threads included."""
        self.outputs.clear()
        before = _cpu_seconds()
        sys.stdout, sys.stderr = (Stream(n, self.outputs) for n in ("stdout", "stderr"))
        self.run_cell(source, store_history=True)
        spent = _cpu_seconds() - before
        items, self.outputs.full = self.outputs.items, True  # threads that go on are not heard
        return [_joined(item) for item in items], spent


def _cpu_seconds() -> float:
    """This process's so far. Where it has a limit (RLIMIT_CPU), the clock that `time.process_time`
    reads stands still between two ticks of the kernel; the account of usage does not."""
    if resource is None:
        return time.process_time()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _shorten(traceback: TracebackType | None) -> None:
    """Keep the first and the last frames of a long traceback."""
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    if len(frames) > 2 * FRAMES:
        frames[FRAMES - 1].tb_next = frames[-FRAMES]


def _joined(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"text": "".join(item["text"])} if "text" in item else item


def make_shell() -> Shell:
    """A shell that keeps no history on disk, asks nothing, and starts no thread."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    shell.outputs = Outputs(2**20)
    shell.system = shell.system_piped
    return shell
