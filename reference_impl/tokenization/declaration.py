"""The Universal Declaration of Human Rights, the same thirty articles in 44 languages.

`update_samples.py` writes the file; the texts are free to copy.
"""

import gzip
import json
from functools import lru_cache
from importlib.resources import files


@lru_cache
def load_declaration() -> dict[str, list[str]]:
    """The articles by language, English first: `load_declaration()["Thai"][0]` is article 1.

    >>> declaration = load_declaration()
    >>> len(declaration), {len(articles) for articles in declaration.values()}
    (44, {30})
    >>> declaration["English"][0][:44]
    'All human beings are born free and equal in '
    """
    data = files(__package__).joinpath("samples", "udhr.json.gz").read_bytes()
    rows = json.loads(gzip.decompress(data))
    return {row["name"]: row["articles"] for row in rows}
