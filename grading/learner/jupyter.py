"""JupyterLab on a learner's folder: found where it runs, else started."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from grading.learner.files import Unwritten, write_whole
from grading.learner.record import HERE

# What nbgrader adds for instructors. Its Validate stays: `check` tells it the truth.
HIDDEN = [f"@jupyter/nbgrader:{part}" for part in ("create-assignment", "formgrader", "menus")]
HIDDEN += [f"@jupyter/nbgrader:{part}" for part in ("assignment-list", "course-list")]


def open_lab(notebook: Path) -> int:
    """Show the notebook in a JupyterLab of its folder; a new one runs until Ctrl-C."""
    for server in _servers(notebook.parent):
        address = _address(server, notebook)
        print(f"JupyterLab runs already: {address}", flush=True)
        webbrowser.open(address)
        return 0
    command = lab_command(notebook)
    print("JupyterLab starts; it ends with Ctrl-C here.", flush=True)
    environment = os.environ | settings(notebook.parent)
    if os.name == "nt":
        return subprocess.call(command, cwd=notebook.parent, env=environment)
    os.chdir(notebook.parent)
    os.execve(command[0], command, environment)  # Ctrl-C is then JupyterLab's alone


def lab_command(notebook: Path) -> list[str]:
    """How JupyterLab is started: only the course's own Python is offered as a kernel, and it asks
    nobody on the network."""
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={notebook.parent}",
        f"--LabApp.default_url=/lab/tree/{urllib.parse.quote(notebook.name)}",
        "--KernelSpecManager.allowed_kernelspecs=python3",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]


def settings(folder: Path) -> dict[str, str]:
    """The environment in which JupyterLab shows what a learner needs and no more.

    Where they cannot be written it shows more.
    """
    place = folder / HERE / "jupyter"
    text = json.dumps({"disabledExtensions": dict.fromkeys(HIDDEN, True)}, indent=1)
    try:
        (place / "labconfig").mkdir(parents=True, exist_ok=True)
        write_whole(place / "labconfig" / "page_config.json", text.encode())
    except (OSError, Unwritten):
        return {}
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    return {"JUPYTER_CONFIG_PATH": os.pathsep.join([str(place), *([others] if others else [])])}


def is_open(notebook: Path) -> bool:
    """Whether a Jupyter server of this user has the notebook open with a kernel."""
    for server in _servers(notebook.parent):
        for session in _ask(server, "api/sessions"):
            if isinstance(session, dict) and session.get("path") == notebook.name:
                return True
    return False


def _servers(folder: Path) -> Iterator[dict]:
    """The running Jupyter servers of this user whose folder is this one."""
    from jupyter_server.serverapp import list_running_servers

    try:
        running = list(list_running_servers())
    except ValueError:  # one that starts just now has written half of its file
        running = []
    for server in running:
        if os.path.realpath(server.get("root_dir", "")) == os.path.realpath(folder):
            yield server


def _address(server: dict, notebook: Path) -> str:
    token = f"?token={server['token']}" if server.get("token") else ""
    return f"{server['url']}lab/tree/{urllib.parse.quote(notebook.name)}{token}"


def _ask(server: dict, what: str) -> list:
    """What a server says, or nothing where it does not answer."""
    headers = {"Authorization": f"token {server.get('token', '')}"}
    request = urllib.request.Request(server["url"] + what, headers=headers)
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with no_proxy.open(request, timeout=3) as reply:
            found = json.load(reply)
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
