"""Links: every one of the book leads somewhere, and the checker sees those that do not."""

from tests.book import links


def test_every_link_of_the_book(book):
    assert links.faults(book) == []


def test_the_checker_sees_broken_links(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"></p><p id="here"></p><a href="b.html#gone">x</a><a href="c.html">x</a>'
        '<a href="#here">x</a><a href="https://example.org">x</a><img src="https://example.org/i">'
        '<a href="../out.html">x</a><a href="b.html#there">x</a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="there"></p>', encoding="utf-8")
    (tmp_path / "s.css").write_text("p {background: url(no.png)}", encoding="utf-8")
    assert links.faults(tmp_path) == [
        "a.html: the id here stands twice",
        "a.html: b.html#gone names an id that is not there",
        "a.html: c.html is not there",
        "a.html: ../out.html leaves the book",
        "a.html: https://example.org/i is loaded from elsewhere",
        "s.css: no.png is not there",
    ]
