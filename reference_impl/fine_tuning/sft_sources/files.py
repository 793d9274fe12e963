"""Files of text as numbered lines, plain or gzipped, a line in memory at a time.

A file that is damaged as a whole (cut gzip, UTF-16, empty) is an error at once, whoever reads it:
half a file is no data set. A single bad line is the reader's business.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

GZIP_START, UTF16_STARTS, UTF8_MARK = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff"), "\ufeff"


class SourceError(ValueError):
    """A file, or a row of it, that cannot be read: which, why, and what to do."""


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file from number 1 on, with their line ends.

    Gzip is recognised by its first bytes, whatever the name. Bytes that are not UTF-8 come as lone
    surrogates, which `not_utf8` finds, so that one bad line does not end the file.
    Raises FileNotFoundError, or SourceError for a file that is damaged as a whole.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}: give the path of the public file as it was downloaded, "
            "or of one in sft_sources/samples"
        )
    number = 0
    try:
        for number, line in enumerate(_open(path), 1):
            yield number, line.removeprefix(UTF8_MARK) if number == 1 else line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{path} is a damaged or half-written gzip file (after line {number}: {error}): "
            "download it again to the end, and check its size"
        ) from None
    if not number:
        raise SourceError(f"{path} is empty: download it again, or wait until it is written")


def not_utf8(text: str) -> str | None:
    """What is wrong with a line that is not UTF-8, else None.

    >>> not_utf8(b"na\\xefve".decode("utf-8", "surrogateescape"))
    'byte 0xef is not UTF-8: convert the file first, e.g. iconv -f latin1 -t utf-8'
    >>> not_utf8("naïve")
    """
    for char in text if not text.isascii() else "":
        if "\udc80" <= char <= "\udcff":
            return (
                f"byte 0x{ord(char) - 0xDC00:02x} is not UTF-8: convert the file first, "
                "e.g. iconv -f latin1 -t utf-8"
            )
    return None


def _open(path: Path) -> Iterator[str]:
    with path.open("rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        data = gzip.GzipFile(fileobj=raw) if start == GZIP_START else raw
        if start in UTF16_STARTS:
            raise SourceError(
                f"{path} is UTF-16, but the public files are UTF-8: convert it first, "
                "e.g. iconv -f utf-16 -t utf-8"
            )
        # Lines end at "\n" alone: a text may hold other characters that Python calls line ends.
        with io.TextIOWrapper(data, "utf-8", errors="surrogateescape", newline="\n") as lines:
            yield from lines
