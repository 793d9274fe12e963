"""What tests of the book share: its Sphinx extension on the path, a book of one page."""

import sys
from pathlib import Path

import pytest

from tests.book.small import book_of_one_page

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))


@pytest.fixture
def small_book(tmp_path) -> Path:
    """A repository with the book's own configuration and no page but those a test writes."""
    return book_of_one_page(tmp_path)
