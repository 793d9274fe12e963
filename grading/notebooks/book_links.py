"""Links from a notebook into the book.

In a released notebook they lead to the chapter's source, which is what the book's build reads. In a
learner's copy they lead to the built page. A copy that comes back has the released ones again.
"""

import re

RELEASED = re.compile(r"\]\(\.\./\.\./book/(\w+)\.md(#[\w-]*)?\)")
SERVED = re.compile(r"\]\(https?://[^()\s]+/book/(\w+)\.html(#[\w-]*)?\)")


def served(text: str, address: str) -> str:
    """The text with its links to built pages; `address` ends in a slash, as in "http://x/book/"."""
    return RELEASED.sub(lambda m: f"]({address}{m[1]}.html{m[2] or ''})", text)


def released(text: str) -> str:
    """The text with its links as they were released."""
    return SERVED.sub(lambda m: f"](../../book/{m[1]}.md{m[2] or ''})", text)
