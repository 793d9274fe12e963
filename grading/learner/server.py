"""A small web server for the built book, on this machine alone: links open a page where they say.

A page opened as a file would do, but no frontend opens files: JupyterLab shows them without their
styles, Notebook and VS Code not at all. `links` starts the server; it ends when nobody has asked it
for anything for a day.
"""

import http.server
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

HOST = "127.0.0.1"
WHO = "/.course"  # where the server says whose book it has
IDLE = 24 * 3600  # seconds without a request


class Pages(http.server.SimpleHTTPRequestHandler):
    """The files of the built book; no lists of folders, no log."""

    protocol_version = "HTTP/1.1"
    identity = ""

    def do_GET(self) -> None:
        """A page, or whose server this is."""
        self.server.asked = time.monotonic()
        if self.path != WHO:
            super().do_GET()
            return
        text = self.identity.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def end_headers(self) -> None:
        """A book that is built anew is seen at once."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, path: str) -> None:
        """Only pages are here to be read."""
        self.send_error(404)

    def log_message(self, *_) -> None:
        """Nobody reads it."""


class BookServer(http.server.ThreadingHTTPServer):
    """Serves a folder until nobody asks any more."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers have one port

    def __init__(self, port: int, folder: Path, identity: str) -> None:
        pages = type("Pages", (Pages,), {"identity": identity})
        super().__init__((HOST, port), partial(pages, directory=str(folder)))
        self.asked = time.monotonic()

    def end_when_idle(self, seconds: float = IDLE, every: float = 60) -> None:
        """Stop serving when there was no request for that long."""

        def watch() -> None:
            while time.monotonic() - self.asked < seconds:
                time.sleep(min(every, seconds))
            self.shutdown()

        threading.Thread(target=watch, daemon=True).start()


def main(port: str, folder: str, identity: str) -> int:
    """Serve until idle; 1 where the port is somebody else's."""
    try:
        server = BookServer(int(port), Path(folder), identity)
    except OSError:
        return 1
    with server:
        server.end_when_idle()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
