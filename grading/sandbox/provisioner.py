"""The sandbox as a Jupyter kernel: "Python 3 (sandbox)", for whatever starts kernels by name.

An instructor who runs a submission's cells in JupyterLab runs them shut in, and so does stock
nbgrader's own Execute with this kernel. What such a cell shows is not: JupyterLab trusts the output
of what its user runs, and a script in it acts with the user's rights on that server. `course grade`
and `nbgrader autograde` with this repository's configuration take a lighter way to the same
sandbox, `session.py`, and drop such outputs.

Jupyter finds this class by its entry point, and the kernel by what `kernelspec.py` has written.
Programs that start kernels without provisioners (VS Code) run this file instead, which says that it
will not do.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from grading.sandbox import Limits, bubblewrap, warm
from grading.sandbox.inside.walls import NOBODY
from grading.sandbox.program import OWN_ENVIRONMENT, environment
from grading.sandbox.tree import write_tree

STOP_SECONDS = 2.0


class SandboxProvisioner(LocalProvisioner):
    """Starts ipykernel in the strongest sandbox this machine has, over sockets in a folder."""

    folder: Path | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Lay out the kernel's folder. Raises CourseError where this machine has no sandbox."""
        kind = await asyncio.to_thread(warm.strongest, False)
        if self.folder is None:  # a restart finds the same sockets
            self.folder = Path(tempfile.mkdtemp(prefix="course-kernel-"))
            self.folder.chmod(0o755)
        sockets = self.folder / "sockets"
        sockets.mkdir(mode=0o700, exist_ok=True)
        manager = self.parent
        manager.transport, manager.ip, manager.cache_ports = "ipc", str(sockets / "kernel"), False
        kwargs = await super().pre_launch(**kwargs)
        kwargs["cmd"], kwargs["env"] = self._command(kind, sockets)
        return kwargs

    def _command(self, kind: str, sockets: Path) -> tuple[list[str], dict[str, str]]:
        """The command that starts the kernel in its walls, and the environment of that command."""
        inside = write_tree(self.folder / "inside")
        limits = json.dumps(Limits().as_dict())
        python = [sys.executable, "-P", "-m", "grading.sandbox.inside.kernel", kind]
        if kind == warm.NAMESPACES:
            self._tell(sockets, bubblewrap.SOCKETS)
            told = environment(bubblewrap.WORK, bubblewrap.INSIDE)
            program = bubblewrap.command(bubblewrap.find(), inside, told, sockets)
            file = f"{bubblewrap.SOCKETS}/connection.json"
            return [*program, *python, bubblewrap.WORK, file, limits], OWN_ENVIRONMENT
        self._tell(sockets, str(sockets))
        work = self.folder / "work"
        work.mkdir(mode=0o700, exist_ok=True)
        _give_away(work)
        arguments = [str(work), str(sockets / "connection.json"), limits]
        told = environment(str(work), str(inside))
        return [*python, *arguments, str(inside), *bubblewrap.readable_paths()], told

    def _tell(self, sockets: Path, place: str) -> None:
        """Write the connection file that the kernel reads, where the folder is seen as `place`."""
        told = json.loads(Path(self.parent.connection_file).read_text(encoding="utf-8"))
        told["ip"] = f"{place}/kernel"
        file = sockets / "connection.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(told), encoding="utf-8")
        _give_away(file)
        _give_away(sockets)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and what it has started, which is for its parent in the sandbox to do."""
        await self.terminate(restart)
        for _ in range(int(STOP_SECONDS / 0.05)):
            if await self.poll() is not None:
                return
            await asyncio.sleep(0.05)
        await super().kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder with all that the submission has written."""
        await super().cleanup(restart)
        if self.folder and not restart:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def _give_away(path: Path) -> None:
    """To the user that the sandbox runs as, where that is not ours."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


if __name__ == "__main__":
    sys.exit(
        "This kernel runs a notebook in a sandbox, for which JupyterLab or nbgrader must start it: "
        "open the notebook there, or choose another kernel to run it with your own rights."
    )
