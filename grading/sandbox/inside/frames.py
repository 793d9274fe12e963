"""Messages through a pipe: one letter, a JSON header, and bytes that belong to it.

The reader does not trust the writer: sizes are bounded, and anything odd is a `BrokenFrame`.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

HEAD = struct.Struct(">cII")
MAX_HEADER = 16 * 2**20  # of JSON, which takes twenty times that once it is read


class BrokenFrame(ValueError):
    """What came through the pipe is no message."""


def pack(kind: bytes, header: Any = None, body: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(header).encode()
    return HEAD.pack(kind, len(text), len(body)) + text + body


def write(descriptor: int, kind: bytes, header: Any = None, body: bytes = b"") -> None:
    """Write one message whole, however often the pipe is full."""
    view = memoryview(pack(kind, header, body))
    while view:
        view = view[os.write(descriptor, view) :]


class Reader:
    """Collects bytes as they come and gives back whole messages."""

    def __init__(self, max_bytes: int, max_headers: Mapping[bytes, int] | None = None) -> None:
        self.max_bytes = max_bytes  # of all messages together
        self.max_headers = max_headers or {}  # of one message, by its letter
        self._buffer = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Any, bytes]]:
        """The messages that `data` completes, one after the other. Raises BrokenFrame where what
        follows is none, or where it is too much; those before it have been given by then.
        """
        self._seen += len(data)
        if self._seen > self.max_bytes:
            raise BrokenFrame(f"more than {self.max_bytes // 2**20} MB came back")
        self._buffer += data
        while message := self._next():
            yield message

    def _next(self) -> tuple[bytes, Any, bytes] | None:
        if len(self._buffer) < HEAD.size:
            return None
        kind, n_header, n_body = HEAD.unpack_from(self._buffer)
        if n_header > self.max_headers.get(kind, MAX_HEADER) or n_header + n_body > self.max_bytes:
            raise BrokenFrame("a message of impossible size")
        end = HEAD.size + n_header + n_body
        if len(self._buffer) < end:
            return None
        text = bytes(self._buffer[HEAD.size : HEAD.size + n_header])
        body = bytes(self._buffer[HEAD.size + n_header : end])
        del self._buffer[:end]
        try:
            return kind, json.loads(text), body
        except (ValueError, RecursionError) as error:
            raise BrokenFrame(f"a message that is not JSON ({error})") from None
