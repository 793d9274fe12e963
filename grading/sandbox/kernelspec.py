"""The kernel "Python 3 (sandbox)" as Jupyter's list of kernels has it.

`install` writes it into the environment. (Setuptools leaves data files out of an editable
installation, and a kernel has no other way into the list.)
"""

import json
import os
import sys
from pathlib import Path

NAME = "course-sandbox"
SHOWN = "Python 3 (sandbox)"
SPEC = {
    # Run by programs that know no provisioners: it says that it will not do.
    "argv": ["python", "-m", "grading.sandbox.provisioner", "{connection_file}"],
    "display_name": SHOWN,
    "language": "python",
    "interrupt_mode": "message",  # a signal would end the sandbox instead of the cell
    "metadata": {"debugger": False, "kernel_provisioner": {"provisioner_name": NAME}},
}
METADATA = {"name": NAME, "display_name": SHOWN, "language": "python"}  # for a notebook


def install(prefix: Path | None = None) -> Path | None:
    """Write the kernel into this environment unless it is there; None where we may not write."""
    folder = (prefix or Path(sys.prefix)) / "share" / "jupyter" / "kernels" / NAME
    file, text = folder / "kernel.json", json.dumps(SPEC, indent=1) + "\n"
    try:
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            folder.mkdir(parents=True, exist_ok=True)
            new = folder / f"kernel.json.{os.getpid()}"  # whole or not at all
            new.write_text(text, encoding="utf-8")
            os.replace(new, file)
    except OSError:  # an environment that another user keeps; JupyterLab then asks for a kernel
        return None
    return file
