"""Forks of the warm process, each for a worker of its own that has knocked at the door."""

import os
import select
import signal
import socket
from collections.abc import Callable

from grading.sandbox.inside import walls
from grading.sandbox.inside.system_calls import CLONE_NEWNET, PR_SET_PDEATHSIG, prctl
from grading.sandbox.inside.watch import exit_as


def serve(control: socket.socket, door: socket.socket, work: Callable[[socket.socket], None]):
    """Fork for everyone who knocks, until the other side closes `control`.

    `work` serves a connection, in a fork that is as well shut off from the others as if bubblewrap
    had started it.
    """
    while True:
        ready, _, _ = select.select([control, door], [], [])
        if control in ready:
            return  # whoever is left ends with us
        connection, _ = door.accept()
        with connection:
            if os.fork() == 0:
                control.close(), door.close()
                _serve_apart(connection, work)
        _take_leave()


def _serve_apart(connection: socket.socket, work: Callable[[socket.socket], None]) -> None:
    try:
        child = walls.fork_apart(CLONE_NEWNET)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if child:
            connection.close()
            exit_as(child)
        walls.see_own_processes()
        work(connection)
        os._exit(0)
    finally:
        os._exit(70)


def _take_leave() -> None:
    """Of forks that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
