"""One job in a fresh process, without walls: for systems that cannot fork a warm one.

    python -P -m grading.sandbox.inside.once JOB FOLDER LIMITS

JOB is a file, the answers go to standard output. Only the clock outside limits it.
"""

import json
import os
import sys


def main(job: str, folder: str, limits: str) -> None:
    """Run the job; what its cells print themselves goes nowhere."""
    import torch

    from grading.sandbox.inside.job import run_job
    from grading.sandbox.inside.shell import make_shell

    torch.set_num_threads(1)
    binary = getattr(os, "O_BINARY", 0)
    source = os.open(job, os.O_RDONLY | binary)
    reply = os.dup(1)
    if binary:  # Windows would turn line ends in what is written
        import msvcrt

        msvcrt.setmode(reply, binary)
    quiet = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(quiet, standard)
    os.chdir(folder)
    run_job(make_shell(), source, reply, json.loads(limits), folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
