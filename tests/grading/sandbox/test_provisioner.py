"""The sandbox as a Jupyter kernel, driven as nbgrader's Execute and JupyterLab drive kernels."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

from grading.course.errors import CourseError
from grading.course.places import ROOT
from grading.sandbox import kernelspec, warm
from tests.grading.machines import started
from tests.grading.sandbox.conftest import ended, running

# Jupyter's own loop and sockets, which it leaves to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The kernel in this environment, as `course` and nbgrader's configuration leave it."""
    kernelspec.install()


@pytest.fixture(params=[warm.NAMESPACES, warm.LANDLOCK])
def kind(request, monkeypatch):
    """Each kind that shuts submissions in, as the one that is chosen."""
    started(request.param)
    monkeypatch.setattr(warm, "strongest", lambda trusted: request.param)
    return request.param


def execute(*sources, **options):
    """The outputs of cells run by nbclient, which nbgrader's Execute is made of."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    options = {"timeout": 60, "allow_errors": True, "startup_timeout": 120, **options}
    NotebookClient(notebook, kernel_name=kernelspec.NAME, **options).execute()
    return [cell.outputs for cell in notebook.cells]


def text(outputs):
    return "".join(o.get("text", o.get("evalue", "")) for o in outputs)


def test_jupyter_finds_the_kernel_of_this_environment():
    """If this fails, run `python bootstrap.py`: the entry point is part of the installation."""
    spec = KernelSpecManager().get_kernel_spec(kernelspec.NAME)
    assert Path(spec.resource_dir).is_relative_to(sys.prefix)
    assert spec.argv == kernelspec.SPEC["argv"] and spec.interrupt_mode == "message"
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == kernelspec.NAME


def test_installing_again_writes_nothing(tmp_path):
    file = kernelspec.install(tmp_path)
    os.utime(file, (1, 1))
    assert kernelspec.install(tmp_path) == file and file.stat().st_mtime == 1
    file.write_text("of an older version")
    assert kernelspec.install(tmp_path) == file and "course-sandbox" in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["kernel.json"]


def test_an_environment_that_cannot_be_written_to_is_left(tmp_path):
    (tmp_path / "share").write_text("no folder")
    assert kernelspec.install(tmp_path) is None


def test_cells_run_shut_in(kind):
    secret = str(ROOT / "reference_impl" / "decoder" / "attention.py")
    outputs = execute(
        "print('hello')\n6 * 7",
        f"open({secret!r}).read()",
        "import socket\nsocket.create_connection(('127.0.0.1', 9), 2)",
        "import reference_impl",
        "import os\nprint(os.getuid(), 'JPY_PARENT_PID' in os.environ)",
        "open('note', 'w').write('x')\nprint(open('note').read())",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    )
    assert outputs[0][0].text == "hello\n" and outputs[0][1].data["text/plain"] == "42"
    assert outputs[1][0].ename in ("FileNotFoundError", "PermissionError")
    assert outputs[2][0].ename == "PermissionError"
    assert "write the answer yourself" in text(outputs[3])
    assert text(outputs[4]) == f"{os.getuid() or 65534} False\n"
    assert text(outputs[5]) == "x\n"
    assert "image/png" in outputs[6][0].data


def test_the_folder_of_sockets_takes_no_files(kind):
    """It lies on the disk of this machine, where nothing bounds it."""
    cell = """
import os
from pathlib import Path
from ipykernel.kernelapp import IPKernelApp
folder = Path(IPKernelApp.instance().ip).parent
print(folder.is_dir())
(folder / "note").write_text("x")
"""
    (outputs,) = execute(cell)
    assert outputs[0].text == "True\n" and outputs[1].ename == "PermissionError"


def test_a_timeout_interrupts_the_cell_and_keeps_the_kernel(kind):
    options = {"timeout": 3, "interrupt_on_timeout": True}
    outputs = execute("x = 1", "import time\ntime.sleep(600)", "print(x)", **options)
    assert text(outputs[2]) == "1\n"


def test_nothing_is_left_when_the_kernel_is_shut_down(kind):
    word = f"86400.{uuid.uuid4().int % 10**12}"
    daemon = "import os, subprocess\nsubprocess.Popen(['sleep', {word!r}], start_new_session=True)"
    folders = _folders()
    (outputs,) = execute(daemon.format(word=word), shutdown_kernel="immediate")
    assert not text(outputs)
    assert ended(running(word)) and ended(running("grading.sandbox.inside.kernel"))
    assert _folders() <= folders


def result_of(function):
    """What a coroutine function returns; in a thread, for in ours a browser may have a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(function())).result()


def _folders():
    return set(Path(tempfile.gettempdir()).glob("course-kernel-*"))


def test_a_kernel_that_ignores_the_interrupt_is_killed(kind):
    stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    options = {"timeout": 2, "interrupt_on_timeout": False, "allow_errors": False}
    with pytest.raises(CellTimeoutError):
        execute(stubborn, **options)
    assert ended(running("grading.sandbox.inside.kernel"))


def test_memory_that_is_used_up_ends_the_kernel(kind):
    from nbclient.exceptions import DeadKernelError

    with pytest.raises(DeadKernelError):
        execute("import time\nx = [bytearray(2**28) for _ in range(12)]\ntime.sleep(60)")


def test_a_restart_is_a_new_process(kind):
    """As from JupyterLab's menu."""

    async def pids():
        manager = AsyncKernelManager(kernel_name=kernelspec.NAME)
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        seen = []
        for _ in range(2):
            await client.wait_for_ready(timeout=120)
            answer = await client.execute_interactive(
                "", user_expressions={"pid": "__import__('os').getppid(), 'x' in dir()"}
            )
            seen.append(answer["content"]["user_expressions"]["pid"]["data"]["text/plain"])
            await client.execute_interactive("x = 1")
            await manager.restart_kernel(now=True)
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        return seen

    first, second = result_of(pids)
    assert first.endswith("False)") and second.endswith("False)")


def test_a_jupyter_server_runs_it(tmp_path):
    """JupyterLab's own way: the server's REST interface, then a web socket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=t",
        "--ServerApp.ip=127.0.0.1",
    ]
    command = [sys.executable, "-m", "jupyter_server", *options, f"--ServerApp.port={port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=tmp_path, **quiet)
    try:
        code = "import os; print(os.getuid())"
        answer = result_of(partial(_ask, f"127.0.0.1:{port}", code))
    finally:
        server.terminate()
        server.wait()
    assert answer == f"{os.getuid() or 65534}\n"
    assert ended(running("grading.sandbox.inside.kernel"))


async def _ask(host, code):
    """What a new kernel prints, by way of a server that may still be starting."""
    from tornado.httpclient import AsyncHTTPClient
    from tornado.websocket import websocket_connect

    client, body = AsyncHTTPClient(), json.dumps({"name": kernelspec.NAME})
    for _ in range(240):
        try:
            started = await client.fetch(
                f"http://{host}/api/kernels?token=t", method="POST", body=body, request_timeout=120
            )
            break
        except OSError:
            await asyncio.sleep(0.5)
    kernel = json.loads(started.body)["id"]
    channel = await websocket_connect(f"ws://{host}/api/kernels/{kernel}/channels?token=t")
    header = {"msg_id": "1", "session": "1", "username": "", "version": "5.3", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = {"header": {**header, "msg_type": "execute_request"}, "parent_header": {}}
    await channel.write_message(
        json.dumps({**message, "metadata": {}, "content": content, "channel": "shell"})
    )
    text, ended = "", False
    while not ended:  # what is printed may come in several messages
        said = json.loads(await asyncio.wait_for(channel.read_message(), 120))
        text += said["content"].get("text", "") + said["content"].get("evalue", "")
        ours = said["parent_header"].get("msg_id") == "1"
        ended = ours and said["content"].get("execution_state") == "idle"
    channel.close()
    await client.fetch(f"http://{host}/api/kernels/{kernel}?token=t", method="DELETE")
    return text


def test_without_a_sandbox_no_kernel_starts(monkeypatch):
    def refuse(trusted):
        assert not trusted
        raise CourseError("This machine cannot shut submissions in")

    monkeypatch.setattr(warm, "strongest", refuse)
    with pytest.raises(CourseError, match="cannot shut submissions in"):
        execute("1")


def test_a_program_without_provisioners_gets_an_answer_but_no_kernel():
    """VS Code runs the kernelspec's command itself."""
    command = KernelSpecManager().get_kernel_spec(kernelspec.NAME).argv
    assert command[0] == "python"
    done = subprocess.run(
        [sys.executable, *command[1:-1], "/nowhere.json"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and "JupyterLab or nbgrader" in done.stderr


def test_the_kernel_does_not_wait_for_anyone(kind):
    """`wait_for_ready` within the start time, cells at once: no parent is looked for by number."""
    start = time.monotonic()
    assert text(execute("print('on')")[0]) == "on\n"
    assert time.monotonic() - start < 100
