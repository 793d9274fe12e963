"""A Jupyter server for a test: it has started when its tests begin, and it has ended afterwards."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jupyter_server.serverapp import list_running_servers


@contextmanager
def running(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[dict]:
    """What a server started with a command says of itself; `JUPYTER_RUNTIME_DIR` is its own.

    Raises AssertionError with what it printed where it ends before it serves.
    """
    runtime = Path(environment["JUPYTER_RUNTIME_DIR"])
    runtime.mkdir(exist_ok=True)
    log = runtime / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=written)
    try:
        while not (server := _server(runtime)):
            assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:  # a server that has shut down all it runs may still wait for a thread of its own
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _server(runtime: Path) -> dict | None:
    """The server whose file is in the folder, once it can be reached.

    It says "Use Control-C to stop" before it writes the file, and writes that before it listens.
    """
    try:
        server = next(list_running_servers(str(runtime)), None)
        if server:
            socket.create_connection((server["hostname"], server["port"])).close()
    except (ValueError, OSError):  # half of the file is there; nobody listens
        return None
    return server
